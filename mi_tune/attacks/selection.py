"""Which candidates an attack returns. Scores come from the target alone, never from a judge."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mi_tune.attacks.oracle import WhiteBox
from mi_tune.attacks.views import RandomCrop


@dataclass(frozen=True)
class ByConfidence:
    """The target's confidence in the plain image (GMI's best restart)."""

    def __call__(self, oracle: WhiteBox, images: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        """Scores (n,) of images (n, channels, height, width)."""
        return oracle.confidence(images).gather(1, labels[:, None])[:, 0]


@dataclass(frozen=True)
class MeanOverViews:
    """Mean confidence over random crops and flips (PPA): what survives them is the class rather than noise."""

    count: int = 16
    view: RandomCrop = RandomCrop(scale=(0.5, 0.9), aspect=(0.8, 1.2), flip=True)

    def __call__(self, oracle: WhiteBox, images: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        """Scores (n,) of images (n, channels, height, width)."""
        total = torch.zeros(len(images), device=oracle.device)
        for _ in range(self.count):
            total += oracle.confidence(self.view(images, random)).gather(1, labels[:, None])[:, 0]
        return total / self.count
