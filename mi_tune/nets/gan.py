"""A small generator and discriminator for 16 to 128 px and few images."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _halvings(resolution: int) -> int:
    """Doublings from a 4x4 map to at least the resolution."""
    return math.ceil(math.log2(resolution / 4))


class Generator(nn.Module):
    """A linear layer to 4x4, then nearest upsampling, convolution, group norm and leaky ReLU per doubling.

    A resolution that is not a power of two is reached by bilinear resizing of the last map.
    """

    def __init__(self, latent_dim: int, channels: int, resolution: int, width: int) -> None:
        super().__init__()
        self.resolution = resolution
        doublings = _halvings(resolution)
        features = [width * min(4, 2 ** max(0, doublings - 1 - k)) for k in range(doublings + 1)]
        self.first = nn.Linear(latent_dim, features[0] * 16)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=2),
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                nn.GroupNorm(8, outputs),
                nn.LeakyReLU(0.2, inplace=True),
            )
            for inputs, outputs in pairwise(features)
        )
        self.last = nn.Conv2d(features[-1], channels, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """Images (n, channels, resolution, resolution) in [0, 1] of latents (n, latent_dim)."""
        x = self.first(latents).view(len(latents), -1, 4, 4)
        for block in self.blocks:
            x = block(x)
        x = self.last(x)
        if x.shape[-1] != self.resolution:
            x = F.interpolate(x, size=(self.resolution,) * 2, mode="bilinear", align_corners=False)
        return torch.sigmoid(x)


class Discriminator(nn.Module):
    """Strided convolutions with leaky ReLU down to 4x4, then one score. Not normalised: a gradient penalty tames it."""

    def __init__(self, channels: int, resolution: int, width: int) -> None:
        super().__init__()
        halvings = _halvings(resolution)
        features = [channels, *(width * min(4, 2**k) for k in range(halvings))]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(features):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(features[-1] * 16, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (n,), higher for what looks real, of images (n, channels, resolution, resolution) in [0, 1]."""
        x = self.features(images * 2 - 1)
        return self.head(F.adaptive_avg_pool2d(x, 4).flatten(1))[:, 0]
