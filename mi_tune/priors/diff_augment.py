"""Differentiable augmentation of a discriminator's images (Zhao et al., NeurIPS 2020).

Real and generated images get the same random changes before the discriminator sees them, so that it cannot memorise the
few real images. Gradients pass through to the generator.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mi_tune.data.augment import shift_and_flip
from mi_tune.erasing import ErasingLaw

_CUTOUT = ErasingLaw(probability=1.0, area=(0.15, 0.15), location="overflow")
_GREY = 0.5


def diff_augment(images: Tensor, random: torch.Generator) -> Tensor:
    """Random brightness, saturation and contrast, a shift by up to 1/8 of the side, and one grey square per image.

    images: float (n, channels, height, width) in [0, 1], on the generator's device. Results can be outside [0, 1].
    """
    u = torch.rand(3, len(images), 1, 1, 1, device=images.device, generator=random)
    images = images + (u[0] - 0.5) * 0.6
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (2 * u[1])
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (images - mean) * (0.5 + u[2])
    images = shift_and_flip(images, images.shape[-1] // 8, False, random)
    return replace(_CUTOUT, fill=(_GREY,) * images.shape[1]).erase(images, random)[0]
