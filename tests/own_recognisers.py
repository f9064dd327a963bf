"""A module of own recognisers, as a user would write it, good and bad."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn


class Pixels(nn.Module):
    """Tells people apart by a fixed random projection of their pixels."""

    def __init__(self, size: int = 16 * 16, features: int = 64) -> None:
        super().__init__()
        self.project = nn.Linear(size, features, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.project((images - images.mean((1, 2, 3), keepdim=True)).flatten(1))


class Constant(Pixels):
    def forward(self, images: Tensor) -> Tensor:
        return torch.ones(len(images), 8)


class Broken(Pixels):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * float("nan")


class Maps(Pixels):
    def forward(self, images: Tensor) -> Tensor:
        return images


class Brightness(Pixels):
    """Near chance: it knows nothing but how bright an image is."""

    def forward(self, images: Tensor) -> Tensor:
        value = torch.round(images.mean((1, 2, 3)) * 3)
        return torch.stack([value, torch.ones_like(value)], 1)


class Slow(Pixels):
    """Takes 50 ms an image."""

    def forward(self, images: Tensor) -> Tensor:
        time.sleep(0.05 * len(images))
        return super().forward(images)
