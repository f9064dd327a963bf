"""Views: random transformations of the candidates, through which a model sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from mi_tune.data.augment import random_affine
from mi_tune.erasing import ErasingLaw
from mi_tune.priors.plgmi import target_view


class _SameForEveryLaw:
    """A view that does not change when the attacker knows the erasing law."""

    def known(self, law: ErasingLaw | None) -> Self:
        return self


@dataclass(frozen=True)
class Identity(_SameForEveryLaw):
    """The unchanged image."""

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        return images


@dataclass(frozen=True)
class Flip(_SameForEveryLaw):
    """The image, mirrored with probability 1/2."""

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        mirrored = torch.rand(len(images), 1, 1, 1, device=images.device, generator=random) < 0.5
        return torch.where(mirrored, images.flip(3), images)


@dataclass(frozen=True)
class RandomCrop(_SameForEveryLaw):
    """torchvision's RandomResizedCrop: a random crop, resized to the size of the image.

    Args:
        scale: range of the crop's share of the area. aspect: range of its aspect ratio. flip: mirror with probability
            1/2. rotation: largest angle either way, in degrees.
    """

    scale: tuple[float, float] = (0.9, 1.0)
    aspect: tuple[float, float] = (1.0, 1.0)
    flip: bool = False
    rotation: float = 0.0

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        return random_affine(images, random, self.scale, self.aspect, rotation=self.rotation, flip=self.flip)


@dataclass(frozen=True)
class Jitter(_SameForEveryLaw):
    """PLG-MI's augmentation: crop, rotation, flip, brightness and contrast (`mi_tune.priors.plgmi.target_view`)."""

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        return target_view(images, random)


@dataclass(frozen=True)
class GaussianNoise(_SameForEveryLaw):
    """Independent normal noise per pixel (PAA, AlignMI). sigma: standard deviation, as a share of the pixel range."""

    sigma: float = 0.05

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        return images + self.sigma * torch.randn(images.shape, device=images.device, generator=random)


UNKNOWN_LAW = (
    ErasingLaw(1.0, area=(0.02, 0.4), fill="noise"),
    ErasingLaw(1.0, area=(0.1, 0.4), fill="midre"),
    ErasingLaw(1.0, area=(0.1, 0.8), fill="midre"),
    ErasingLaw(1.0, area=(0.3, 0.6), location="overflow", fill="colour"),
)
"""The laws that an attacker tries who suspects Random Erasing but does not know the defender's law."""


@dataclass(frozen=True)
class Erase(_SameForEveryLaw):
    """The candidate, erased like a training image (expectation over transformation, Athalye et al., ICML 2018).

    Args:
        laws: each view of a batch uses one of them, drawn uniformly. If empty: the defender's law if it is known (whole
            images if that law never erases), otherwise `UNKNOWN_LAW`.
        always: erase every view, even if the law erases only some of the images.
    """

    laws: tuple[ErasingLaw, ...] = ()
    always: bool = False

    def known(self, law: ErasingLaw | None) -> Erase:
        if self.laws:
            return self
        if law is None:
            return replace(self, laws=UNKNOWN_LAW)
        return replace(self, laws=(replace(law, probability=1.0) if self.always and law.probability else law,))

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        laws = self.laws or UNKNOWN_LAW
        pick = int(torch.randint(len(laws), (1,), device=random.device, generator=random)) if len(laws) > 1 else 0
        law = laws[pick]
        if law.probability == 0:
            return images
        if law.fill == "other_image":
            # pixels of another candidate would carry this one's gradient over to it
            law = replace(law, fill="noise")
        return law.erase(images, random)[0]
