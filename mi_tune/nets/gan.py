"""A small generator and discriminator for 16 to 128 px and few images."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_MAX_WIDTH_FACTOR = 8  # largest number of features in a map, as a multiple of `width`


def _scale_steps(resolution: int) -> int:
    """Number of doublings from a 4x4 map to at least the resolution."""
    return max(1, math.ceil(math.log2(resolution / 4)))


class _Block(nn.Module):
    """Nearest-neighbour upsampling, convolution, group norm with scale and shift from the latent, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, latent_dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(math.gcd(8, outputs), outputs, affine=False)
        self.style = nn.Linear(latent_dim, 2 * outputs)

    def forward(self, x: Tensor, latents: Tensor) -> Tensor:
        x = self.norm(self.conv(F.interpolate(x, scale_factor=2.0)))
        scale, shift = self.style(latents)[:, :, None, None].chunk(2, dim=1)
        return F.leaky_relu(x * (1 + scale) + shift, 0.2)


class Generator(nn.Module):
    """A linear layer to a 4x4 map, then one block per doubling of the size; every size adds its part to the image.

    The sum over sizes (skip connections as in StyleGAN2) and the latent's effect on every norm (as in BigGAN) give
    varied faces after few updates. Group norm rather than batch norm makes an image depend on its own latent only, in
    training and in the attack. Other resolutions than powers of two are reached by bilinear resizing of the sum. The
    sum is float32 also under autocast, because bfloat16 pixels would be coarser than 8 bits.
    """

    def __init__(self, latent_dim: int, channels: int, resolution: int, width: int) -> None:
        super().__init__()
        self.resolution = resolution
        doublings = _scale_steps(resolution)
        features = [width * min(_MAX_WIDTH_FACTOR, 2 ** (doublings - k)) for k in range(doublings + 1)]
        self.first = nn.Linear(latent_dim, features[0] * 16)
        self.blocks = nn.ModuleList(_Block(inputs, outputs, latent_dim) for inputs, outputs in pairwise(features))
        self.images = nn.ModuleList(nn.Conv2d(inputs, channels, 1) for inputs in features)

    def forward(self, latents: Tensor) -> Tensor:
        """Images (n, channels, resolution, resolution) in [0, 1] of latents (n, latent_dim)."""
        features, image = self.begin(latents)
        return self.end(features, image, latents, 0)

    def begin(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """The 4x4 features and their part of the image."""
        features = self.first(latents).view(len(latents), -1, 4, 4)
        return features, self.images[0](features).float()

    def step(self, features: Tensor, image: Tensor, latents: Tensor, block: int) -> tuple[Tensor, Tensor]:
        """Features and summed image after block number `block`."""
        features = self.blocks[block](features, latents)
        return features, _resized(image, features.shape[-1]) + self.images[block + 1](features).float()

    def end(self, features: Tensor, image: Tensor, latents: Tensor, block: int) -> Tensor:
        """The image in [0, 1] from the features and the summed image before block number `block`."""
        for number in range(block, len(self.blocks)):
            features, image = self.step(features, image, latents, number)
        return torch.sigmoid(_resized(image, self.resolution))


def _resized(images: Tensor, size: int) -> Tensor:
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)


class Trunk(nn.Module):
    """The part that all discriminators share: strided convolutions with leaky ReLU down to 4x4, and one more at 4x4.

    It has no normalisation, because a gradient penalty regularises it, and no batch statistics, because the attacks
    need a score that depends on one image only. `size` is the number of features.
    """

    def __init__(self, channels: int, resolution: int, width: int) -> None:
        super().__init__()
        halvings = _scale_steps(resolution)
        features = [channels, *(width * min(_MAX_WIDTH_FACTOR, 2 ** (k + 1)) for k in range(halvings))]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(features):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        layers += [nn.Conv2d(features[-1], features[-1], 3, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.size = features[-1] * 16

    def forward(self, images: Tensor) -> Tensor:
        """Features (n, size) of images (n, channels, height, width) in [0, 1]."""
        x = self.layers(images * 2 - 1)
        if x.shape[-1] != 4:
            x = F.adaptive_avg_pool2d(x, 4)
        return x.flatten(1)


class Discriminator(nn.Module):
    """A discriminator: the trunk and one score."""

    def __init__(self, channels: int, resolution: int, width: int) -> None:
        super().__init__()
        self.trunk = Trunk(channels, resolution, width)
        self.head = nn.Linear(self.trunk.size, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (n,), higher for images that look real, of images (n, channels, resolution, resolution) in [0, 1]."""
        return self.head(self.trunk(images))[:, 0]
