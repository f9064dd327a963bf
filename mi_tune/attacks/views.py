"""Random views of the candidates that a model is shown instead of the plain image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from mi_tune.data.augment import random_affine
from mi_tune.erasing import ErasingLaw
from mi_tune.priors.plgmi import target_view


class View(Protocol):
    """Differentiable; may leave [0, 1] where the light is changed."""

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        """A view of each image (n, channels, height, width), of the same shape."""

    def known(self, law: ErasingLaw | None) -> View:
        """The same view for an attacker who knows that the defender trains with `law` (None: knows nothing)."""


class _Plain:
    def known(self, law: ErasingLaw | None):
        return self


@dataclass(frozen=True)
class Identity(_Plain):
    """The image as it is."""

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        return images


@dataclass(frozen=True)
class Flip(_Plain):
    """The image, mirrored half of the time."""

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        mirrored = torch.rand(len(images), 1, 1, 1, device=images.device, generator=random) < 0.5
        return torch.where(mirrored, images.flip(3), images)


@dataclass(frozen=True)
class RandomCrop(_Plain):
    """RandomResizedCrop: a crop of a random share of the area, resized back; mirrored half of the time if `flip`.

    `rotation`: largest angle in degrees either way.
    """

    scale: tuple[float, float] = (0.9, 1.0)
    aspect: tuple[float, float] = (1.0, 1.0)
    flip: bool = False
    rotation: float = 0.0

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        return random_affine(images, random, self.scale, self.aspect, rotation=self.rotation, flip=self.flip)


@dataclass(frozen=True)
class Jitter(_Plain):
    """PLG-MI's augmentation: crop, turn, flip, brightness and contrast (`mi_tune.priors.plgmi.target_view`)."""

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        return target_view(images, random)


@dataclass(frozen=True)
class GaussianNoise(_Plain):
    """Independent normal noise per pixel, `sigma` as a share of the pixel range (PAA, AlignMI)."""

    sigma: float = 0.05

    def __call__(self, images: Tensor, random: torch.Generator) -> Tensor:
        return images + self.sigma * torch.randn(images.shape, device=images.device, generator=random)


UNKNOWN_LAW = (
    ErasingLaw(1.0, area=(0.02, 0.4), fill="noise"),
    ErasingLaw(1.0, area=(0.1, 0.4), fill="midre"),
    ErasingLaw(1.0, area=(0.1, 0.8), fill="midre"),
    ErasingLaw(1.0, area=(0.3, 0.6), location="overflow", fill="colour"),
)
"""What an attacker erases with who has heard of Random Erasing but does not know the defender's law."""


@dataclass(frozen=True)
class Erase(_Plain):
    """The candidate erased as a training image would be: expectation over transformation for Random Erasing.

    Args:
        laws: of which each view of the batch uses one, drawn uniformly. Empty: the defender's law where it is known
            (whole images if it never erases), else `UNKNOWN_LAW`.
        always: erase every view, also where the law erases only some images.
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
            # another candidate's pixels would carry this one's gradient over to it
            law = replace(law, fill="noise")
        return law.erase(images, random)[0]
