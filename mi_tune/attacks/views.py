"""Random views of the candidates that the target is shown instead of the plain image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mi_tune.augment import random_affine


@dataclass(frozen=True)
class Identity:
    """The image as it is."""

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        return images


@dataclass(frozen=True)
class RandomCrop:
    """RandomResizedCrop: a crop of a random share of the area, resized back; mirrored half of the time if `flip`."""

    scale: tuple[float, float] = (0.9, 1.0)
    aspect: tuple[float, float] = (1.0, 1.0)
    flip: bool = False

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        return random_affine(images, random, self.scale, self.aspect, flip=self.flip)
