"""Strong augmentations that are not Random Erasing: the controls for "or would any of them do?".

Each has one strength, from 0 (none) upwards, so that a control can be compared with an erasing law at the same natural
accuracy. Each is applied to a whole batch on its device. Cutout is an erasing law and is made of one (`cutout`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields, replace
from typing import ClassVar

import torch
from torch import Tensor

from mi_tune.erasing import ErasingLaw
from mi_tune.runtime.errors import InputError


@dataclass(frozen=True)
class Control(ABC):
    """One augmentation of training batches, in pixel space.

    Args:
        strength: 0 does nothing; `limits` is its range, `steps` three strengths from mild to strong.

    Raises:
        InputError: the strength is outside its limits.
    """

    strength: float

    kind: ClassVar[str]
    title: ClassVar[str]
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)
    steps: ClassVar[tuple[float, float, float]]
    mixes_labels: ClassVar[bool] = False

    def __post_init__(self) -> None:
        low, high = self.limits
        if not isinstance(self.strength, (int, float)) or not low <= self.strength <= high:
            raise InputError(f"{self.title}: strength {self.strength!r} is not a number in [{low:g}, {high:g}]")

    @abstractmethod
    def __call__(self, images: Tensor, labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """New images and labels.

        Args:
            images: float (n, channels, height, width) in [0, 1], on the generator's device; never written to.
            labels: int64 (n,); probabilities (n, classes) for a control that `mixes_labels`.
        """

    @property
    def name(self) -> str:
        """For readers: what it is and how strong."""
        return f"{self.title} {self.strength:g}"

    def resolved(self, mean: tuple[float, ...]) -> Control:
        """The same control knowing the training images' mean, in [0, 1] per channel."""
        return self

    def to_dict(self) -> dict:
        """Parameters and the kind of control as plain JSON values."""
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {"control": self.kind, **values}

    @staticmethod
    def from_dict(values: dict) -> Control:
        """The control that `to_dict` wrote. Raises InputError on an unknown control or parameter."""
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        kind = given.pop("control", None)
        if kind not in CONTROLS:
            raise InputError(f"unknown control {kind!r}; choose from {', '.join(CONTROLS)}")
        unknown = set(given) - {f.name for f in fields(CONTROLS[kind])}
        if unknown or "strength" not in given:
            culprit = f"unknown parameter {', '.join(sorted(unknown))}" if unknown else "give a strength"
            raise InputError(f"control '{kind}': {culprit}")
        return CONTROLS[kind](**given)


# ------------------------------------------------------------------------------------------------- hidden pixels


@dataclass(frozen=True)
class Hiding(Control):
    """Hides pixels behind one colour.

    Args:
        strength: share of the pixels hidden on average.
        fill: the colour, one value in [0, 1] per channel; None is the training images' mean (see `resolved`).
    """

    fill: tuple[float, ...] | None = None

    @abstractmethod
    def mask(self, images: int, height: int, width: int, random: torch.Generator) -> Tensor:
        """Draw which pixels are hidden: bool (images, height, width), on the generator's device."""

    def __call__(self, images: Tensor, labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        n, channels, height, width = images.shape
        if self.fill is None:
            raise InputError(f"{self.title}: the fill is the training images' mean; call resolved(mean) first")
        if len(self.fill) != channels:
            raise InputError(f"{self.title}: fill {self.fill} does not have one value for each of {channels} channels")
        fill = torch.tensor(self.fill, dtype=images.dtype, device=images.device).view(1, channels, 1, 1)
        return torch.where(self.mask(n, height, width, random)[:, None], fill, images), labels

    def resolved(self, mean: tuple[float, ...]) -> Control:
        return replace(self, fill=tuple(mean)) if self.fill is None else self


@dataclass(frozen=True)
class GridMask(Hiding):
    """A regular grid of squares, of a random period and offset in each image.

    Chen et al., "GridMask Data Augmentation" (arXiv 2001.04086), without its rotation and its slow start. Squares are
    placed on a continuous plane: every pixel is hidden with probability `strength` exactly, at any resolution.

    Args:
        period: range of the distance between squares as a share of the shorter side, uniform. GridMask's own on
            ImageNet is 96 to 224 of 224 pixels.
    """

    period: tuple[float, float] = (96 / 224, 1.0)

    kind = "gridmask"
    title = "GridMask"
    steps = (0.2, 0.4, 0.6)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.period[0] <= self.period[1] < math.inf:
            raise InputError(f"GridMask: period {self.period} is not a range above 0")

    def mask(self, images: int, height: int, width: int, random: torch.Generator) -> Tensor:
        u = torch.rand(3, images, 1, device=random.device, generator=random)
        period = (self.period[0] + (self.period[1] - self.period[0]) * u[0]) * min(height, width)
        square = period * math.sqrt(self.strength)
        rows = (torch.arange(height, device=random.device) + u[1] * period) % period < square
        cols = (torch.arange(width, device=random.device) + u[2] * period) % period < square
        return rows[:, :, None] & cols[:, None, :]


@dataclass(frozen=True)
class PixelDropout(Hiding):
    """Each pixel hidden on its own, all its channels together (compare Zhang et al., arXiv 1807.01860)."""

    kind = "pixel_dropout"
    title = "pixel dropout"
    steps = (0.2, 0.4, 0.6)

    def mask(self, images: int, height: int, width: int, random: torch.Generator) -> Tensor:
        return torch.rand(images, height, width, device=random.device, generator=random) < self.strength


def cutout(strength: float) -> ErasingLaw:
    """Cutout (DeVries and Taylor, arXiv 1708.04552): one square of fixed size in every image, cut at the border.

    strength: the square's area as a share of the image before the border cuts it, in [0, 1]; 0 is no defence.
    """
    if not 0 <= strength <= 1:
        raise InputError(f"Cutout: strength {strength!r} is not a number in [0, 1]")
    if strength == 0:
        return ErasingLaw(probability=0.0)
    return ErasingLaw(1.0, area=(strength, strength), location="overflow", fill="mean")


CUTOUT_STEPS = (0.1, 0.25, 0.5)
"""Three strengths of Cutout from mild to strong."""


# --------------------------------------------------------------------------------------------------------- noise


@dataclass(frozen=True)
class GaussianNoise(Control):
    """Independent normal noise on every value, cut to [0, 1].

    Args:
        strength: its standard deviation as a share of the pixel range.
    """

    kind = "gaussian_noise"
    title = "Gaussian noise"
    steps = (0.02, 0.05, 0.1)

    def __call__(self, images: Tensor, labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        noise = torch.randn(images.shape, device=images.device, dtype=images.dtype, generator=random)
        return (images + self.strength * noise).clamp(0, 1), labels


# ------------------------------------------------------------------------------------------------- mixed images


@dataclass(frozen=True)
class CutMix(Control):
    """A box of another image of the batch pasted into an image; labels mixed by the pixels of each.

    Yun et al., "CutMix" (ICCV 2019), with its alpha of 1: the box's area is uniform, its centre anywhere, and the
    border cuts it. Box and partner are drawn for each image instead of once a batch.

    Args:
        strength: share of the images that are mixed.
    """

    kind = "cutmix"
    title = "CutMix"
    steps = (0.25, 0.5, 1.0)
    mixes_labels = True

    def __call__(self, images: Tensor, labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        n, _, height, width = images.shape
        # the law's area must be above 0; the smallest box is one pixel
        law = ErasingLaw(self.strength, area=(1 / (height * width), 1.0), location="overflow")
        box = law.mask(n, height, width, random)
        partner = torch.randperm(n, device=images.device, generator=random)
        pasted = box.to(labels.dtype).mean((1, 2))[:, None]
        return torch.where(box[:, None], images[partner], images), torch.lerp(labels, labels[partner], pasted)


@dataclass(frozen=True)
class Mixup(Control):
    """Each image and its label averaged with those of another of the batch, with a weight from Beta(alpha, alpha).

    Zhang et al., "mixup" (ICLR 2018), equation 1; weight and partner are drawn for each image instead of once a batch.

    Args:
        strength: alpha. 0 mixes nothing, 1 is a uniform weight, a large one averages all pairs half and half; the
            paper's are 0.1 to 32.
    """

    kind = "mixup"
    title = "Mixup"
    limits = (0.0, 32.0)
    steps = (0.2, 1.0, 8.0)
    mixes_labels = True

    def __call__(self, images: Tensor, labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        if self.strength == 0:
            return images, labels
        n = len(images)
        # torch.distributions.Beta draws so too, but takes no generator
        alpha = torch.full((n, 2), float(self.strength), dtype=images.dtype, device=images.device)
        weight = torch._sample_dirichlet(alpha, generator=random)[:, 0]
        partner = torch.randperm(n, device=images.device, generator=random)
        mixed = torch.lerp(images[partner], images, weight.view(n, 1, 1, 1))
        return mixed, torch.lerp(labels[partner], labels, weight.to(labels.dtype)[:, None])


CONTROLS: dict[str, type[Control]] = {
    control.kind: control for control in (GridMask, PixelDropout, GaussianNoise, CutMix, Mixup)
}
"""Controls by their kind."""
