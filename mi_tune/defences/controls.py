"""Controls: strong augmentations other than Random Erasing, to test whether any augmentation would protect as well.

Each control has one strength, from 0 (none) upwards, so that it can be compared with an erasing law at the same natural
accuracy. Each is applied to a whole batch on the batch's device. Cutout is itself an erasing law (`cutout`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from mi_tune.erasing import ErasingLaw
from mi_tune.runtime.errors import InputError


@dataclass(frozen=True)
class Control(ABC):
    """An augmentation of training batches, in pixel space.

    Args:
        strength: 0 does nothing; within `limits`. `steps` holds three strengths from mild to strong.

    Raises:
        InputError: the strength is outside `limits`.
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
        """Augment a batch; returns new images and labels.

        Args:
            images: float (n, channels, height, width) in [0, 1], on the generator's device; never written to.
            labels: int64 (n,); probabilities (n, classes) for a control that `mixes_labels`.
        """

    @property
    def name(self) -> str:
        """Title and strength, for tables and figures."""
        return f"{self.title} {self.strength:g}"

    def resolved(self, mean: tuple[float, ...]) -> Control:
        """The same control with a missing fill set to `mean`, the training images' mean per channel in [0, 1]."""
        return self

    def to_dict(self) -> dict:
        """Kind and parameters as plain JSON values."""
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {"control": self.kind, **values}

    @staticmethod
    def from_dict(values: dict) -> Control:
        """Read a control as `to_dict` writes it. Raises InputError for an unknown control or parameter."""
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
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
    """Hide a random part of the pixels behind one colour.

    Args:
        strength: expected share of hidden pixels.
        fill: the colour, one value in [0, 1] per channel; None stands for the training images' mean (see `resolved`).
    """

    fill: tuple[float, ...] | None = None

    @abstractmethod
    def mask(self, images: int, height: int, width: int, random: torch.Generator) -> Tensor:
        """Draw the mask of hidden pixels, bool (images, height, width), on the generator's device."""

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
    """Hide a regular grid of squares, with a random period and offset in each image.

    Chen et al., "GridMask Data Augmentation" (arXiv 2001.04086), without its rotation and its rising
    probability. The squares lie on a continuous plane: every pixel is hidden with probability `strength` exactly, at
    any resolution.

    Args:
        period: range of the distance between squares as a share of the shorter side, uniform. The paper's on
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
    """Hide each pixel independently, all channels together (compare Zhang et al., arXiv 1807.01860)."""

    kind = "pixel_dropout"
    title = "pixel dropout"
    steps = (0.2, 0.4, 0.6)

    def mask(self, images: int, height: int, width: int, random: torch.Generator) -> Tensor:
        return torch.rand(images, height, width, device=random.device, generator=random) < self.strength


def cutout(strength: float) -> ErasingLaw:
    """Cutout (DeVries and Taylor, arXiv 1708.04552): one square of fixed size in every image, cut at the border.

    Args:
        strength: the square's area as a share of the image before the border cuts it, in [0, 1]; 0 is no defence.

    Raises:
        InputError: the strength is out of range.
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
    """Add independent normal noise to every value, then clip to [0, 1].

    Args:
        strength: standard deviation of the noise as a share of the pixel range.
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
    """Paste a box of another image of the batch into an image; mix labels in proportion to the pixels of each.

    Yun et al., "CutMix" (ICCV 2019), with its alpha of 1: the box's area and centre are uniform, and the border cuts
    the box. Box and partner are drawn for each image instead of once per batch.

    Args:
        strength: share of the images that are mixed.
    """

    kind = "cutmix"
    title = "CutMix"
    steps = (0.25, 0.5, 1.0)
    mixes_labels = True

    def __call__(self, images: Tensor, labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        n, _, height, width = images.shape
        # a law's area must be above 0, so the smallest box is one pixel
        law = ErasingLaw(self.strength, area=(1 / (height * width), 1.0), location="overflow")
        box = law.mask(n, height, width, random)
        partner = torch.randperm(n, device=images.device, generator=random)
        pasted_share = box.to(labels.dtype).mean((1, 2))[:, None]
        return torch.where(box[:, None], images[partner], images), torch.lerp(labels, labels[partner], pasted_share)


@dataclass(frozen=True)
class Mixup(Control):
    """Average each image and its label with another of the batch, with a weight from Beta(alpha, alpha).

    Zhang et al., "mixup" (ICLR 2018), equation 1. Weight and partner are drawn for each image instead of once per
    batch.

    Args:
        strength: alpha. 0 mixes nothing, 1 gives a uniform weight, a large alpha averages all pairs half and half. The
            paper uses 0.1 to 32.
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
        # torch.distributions.Beta draws in the same way, but takes no generator
        alpha = torch.full((n, 2), float(self.strength), dtype=images.dtype, device=images.device)
        weight = torch._sample_dirichlet(alpha, generator=random)[:, 0]
        partner = torch.randperm(n, device=images.device, generator=random)
        mixed = torch.lerp(images[partner], images, weight.view(n, 1, 1, 1))
        return mixed, torch.lerp(labels[partner], labels, weight.to(labels.dtype)[:, None])


CONTROLS: dict[str, type[Control]] = {
    control.kind: control for control in (GridMask, PixelDropout, GaussianNoise, CutMix, Mixup)
}
"""The controls by kind. Cutout is not among them, because it is an erasing law."""
