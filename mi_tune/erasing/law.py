"""The erasing law: the distribution of rectangles that Random Erasing erases, applied to whole batches.

torchvision's `RandomErasing` draws an area and an aspect ratio, and skips the image after ten draws that do not fit.
A law of large rectangles therefore erases less than its parameters say. Here every draw fits: the aspect ratio is
clipped to what is possible for the drawn area, and the area is kept.

Sources: Zhong et al., "Random Erasing Data Augmentation" (AAAI 2020); "Random Erasing vs. Model Inversion"
(arXiv 2409.01062, MIDRE); DeVries and Taylor, "Cutout" (arXiv 1708.04552) for the overflow location.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from mi_tune.erasing.fills import FILLS, fill_colour, fill_values
from mi_tune.runtime.errors import InputError

if TYPE_CHECKING:
    from mi_tune.erasing.transform import ErasingTransform

LOCATIONS = ("inside", "overflow", "centre", "fixed", "periphery")


class Rectangles(NamedTuple):
    """Rectangles in pixels; each field is int64 (images, count). With `overflow` they may extend beyond the image."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor


@dataclass(frozen=True)
class ErasingLaw:
    """Random Erasing's distribution of the erased regions of a training image.

    Args:
        probability: probability that a training image is erased at all, in [0, 1].
        area: range of a rectangle's area as a share of the image, uniform, within (0, 1].
        aspect: range of height / width, log-uniform, positive; clipped to what is possible for the drawn area.
        location: `inside` (uniform over all positions inside the image, as torchvision), `overflow` (the centre is
            uniform over the pixels and the rectangle is cut at the border, as Cutout), `centre`, `fixed` (at
            `anchor`), `periphery` (inside, touching a random side of the image).
        fill: a name from `FILLS`, or one value in [0, 1] per channel in pixel space, before normalisation. `mean`
            is the mean of the training images (see `resolved`), `midre` the colour that MIDRE's released code really
            fills in, `noise` a uniform 8-bit value per pixel and channel (Zhong et al.), `colour` one random colour
            per image, `image_mean` the mean of the image itself, `other_image` the pixels of another image of the
            batch.
        count: rectangles per erased image, each drawn independently.
        clean_epochs: number of epochs at the end of training without erasing.
        anchor: (vertical, horizontal) position of a `fixed` rectangle, from 0 (top, left) to 1 (bottom, right).

    Raises:
        InputError: a value is outside its range, or the low end of a range is above its high end.
    """

    probability: float = 0.0
    area: tuple[float, float] = (0.02, 0.4)
    aspect: tuple[float, float] = (1.0, 1.0)
    location: str = "inside"
    fill: str | tuple[float, ...] = "black"
    count: int = 1
    clean_epochs: int = 0
    anchor: tuple[float, float] = (0.25, 0.5)

    def __post_init__(self) -> None:
        for name in ("area", "aspect", "anchor"):
            object.__setattr__(self, name, _pair(name, getattr(self, name)))
        if not isinstance(self.fill, str):
            object.__setattr__(self, "fill", _numbers("fill", self.fill))
        for name in ("count", "clean_epochs"):
            if not isinstance(getattr(self, name), int):
                raise InputError(f"erasing law: {name} {getattr(self, name)!r} is not a whole number")
        if not isinstance(self.probability, (int, float)) or not 0 <= self.probability <= 1:
            raise InputError(f"erasing law: probability {self.probability!r} is not a number in [0, 1]")
        for name, upper in (("area", 1.0), ("aspect", math.inf)):
            low, high = getattr(self, name)
            if low > high:
                raise InputError(f"erasing law: the {name} range is upside down: {low} > {high}; swap its ends")
            if not (low > 0 and high <= upper and math.isfinite(high)):
                raise InputError(f"erasing law: {name} range ({low}, {high}) is outside (0, {upper}]")
        if self.location not in LOCATIONS:
            raise InputError(f"erasing law: unknown location '{self.location}'; choose from {', '.join(LOCATIONS)}")
        if isinstance(self.fill, str) and self.fill not in FILLS:
            raise InputError(f"erasing law: unknown fill '{self.fill}'; choose from {', '.join(FILLS)}")
        if not isinstance(self.fill, str) and not (self.fill and all(0 <= v <= 1 for v in self.fill)):
            raise InputError(f"erasing law: fill {self.fill} is outside [0, 1]; give pixel values before normalisation")
        if self.count < 1:
            raise InputError(f"erasing law: count {self.count} is below 1; use probability 0 for no erasing")
        if self.clean_epochs < 0:
            raise InputError(f"erasing law: clean_epochs {self.clean_epochs} is negative")
        if not all(0 <= v <= 1 for v in self.anchor):
            raise InputError(f"erasing law: anchor {self.anchor} is outside [0, 1]")

    def __repr__(self) -> str:
        """The law as Python code, without what has its default value."""
        default = {field.name: field.default for field in fields(self)}
        given = [f"{k}={v!r}" for k, v in vars(self).items() if v != default[k]]
        return f"ErasingLaw({', '.join(given)})"

    def _repr_html_(self) -> str:
        """What the law erases of a few images, for notebooks."""
        from mi_tune.erasing.picture import law_html  # it draws laws, so it imports this module

        return law_html(self)

    @classmethod
    def from_dict(cls, values: dict) -> ErasingLaw:
        """Read a law as `to_dict` writes it. Raises InputError for an unknown parameter."""
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise InputError(f"erasing law: unknown parameter {', '.join(sorted(unknown))}")
        return cls(**values)

    def to_dict(self) -> dict:
        """The parameters as plain JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def resolved(self, mean: tuple[float, ...]) -> ErasingLaw:
        """The same law with a `mean` fill replaced by `mean`, the training images' mean per channel in [0, 1]."""
        return replace(self, fill=tuple(mean)) if self.fill == "mean" else self

    def active(self, epoch: int, epochs: int) -> bool:
        """Whether the law erases in epoch `epoch` (counted from 0) of a training of `epochs` epochs."""
        return self.probability > 0 and epoch < epochs - self.clean_epochs

    def sample(self, images: int, height: int, width: int, generator: torch.Generator | None = None) -> Rectangles:
        """Draw `count` rectangles for each of `images` images, on the generator's device; ignores `probability`."""
        device = generator.device if generator is not None else "cpu"
        u = torch.rand(5, images, self.count, generator=generator, device=device)
        area = (self.area[0] + (self.area[1] - self.area[0]) * u[0]) * (height * width)
        low, high = math.log(self.aspect[0]), math.log(self.aspect[1])
        ratio = torch.exp(low + (high - low) * u[1])
        ratio = torch.minimum(torch.maximum(ratio, area / width**2), height**2 / area)
        h = torch.sqrt(area * ratio).round().clamp(1, height).long()
        w = torch.sqrt(area / ratio).round().clamp(1, width).long()
        room_y, room_x = height - h, width - w
        top, left = self._place(u[2:], h, w, room_y, room_x, height, width)
        return Rectangles(top, left, h, w)

    def _place(
        self, u: Tensor, h: Tensor, w: Tensor, room_y: Tensor, room_x: Tensor, height: int, width: int
    ) -> tuple[Tensor, Tensor]:
        # min() because u * (room + 1) can round up to room + 1 in float32
        top = torch.minimum((u[0] * (room_y + 1)).long(), room_y)
        left = torch.minimum((u[1] * (room_x + 1)).long(), room_x)
        if self.location == "overflow":
            return (u[0] * height).long() - h // 2, (u[1] * width).long() - w // 2
        if self.location == "centre":
            return room_y // 2, room_x // 2
        if self.location == "fixed":
            return (room_y * self.anchor[0]).round().long(), (room_x * self.anchor[1]).round().long()
        if self.location == "periphery":
            side = (u[2] * 4).long()
            top = torch.where(side == 0, 0, torch.where(side == 1, room_y, top))
            left = torch.where(side == 2, 0, torch.where(side == 3, room_x, left))
        return top, left

    def mask(self, images: int, height: int, width: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw the mask of erased pixels, bool (images, height, width)."""
        rect = self.sample(images, height, width, generator)
        device = rect.top.device
        rows = torch.arange(height, device=device)
        cols = torch.arange(width, device=device)
        erased = torch.rand(images, 1, 1, generator=generator, device=device) < self.probability
        top, left = rect.top[..., None], rect.left[..., None]
        in_rows = (rows >= top) & (rows < top + rect.height[..., None]) & erased
        in_cols = (cols >= left) & (cols < left + rect.width[..., None])
        # on a CPU a product of bytes is many times faster than the same broadcast of booleans
        mask = in_rows.view(torch.uint8)[..., :, None] * in_cols.view(torch.uint8)[..., None, :]
        return (mask.amax(1) if self.count > 1 else mask[:, 0]).view(torch.bool)

    def erase(self, images: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Erase regions of a batch of images.

        Args:
            images: (n, channels, height, width), uint8 or float in [0, 1], in pixel space.
            generator: on the images' device; by default torch's default generator.

        Returns:
            The erased batch (same dtype) and the mask of erased pixels, bool (n, height, width).

        Raises:
            InputError: fill `mean` is not resolved, the fill has another number of channels, or fill `other_image` is
                used on a single image.
        """
        n, _, height, width = images.shape
        mask = self.mask(n, height, width, _generator_on(images.device, generator))
        fill = fill_values(self.fill, images, generator)
        if images.dtype == torch.uint8:
            # a bitwise select with a mask of 0 or 255 takes an eighth of the time of torch.where on bytes
            return images ^ ((images ^ fill) & -mask[:, None].view(torch.uint8)), mask
        return torch.lerp(images, fill, mask[:, None].to(images.dtype)), mask

    def __call__(self, images: Any, generator: torch.Generator | None = None) -> Any:
        """Erase one image (channels, height, width) or a batch, in [0, 1] or uint8.

        PIL images, NumPy arrays and whole samples of a data set are erased as by `transform()`, without a generator.

        Raises InputError as `erase` does; also for images of another shape or type, or floats outside [0, 1].
        """
        if type(images) is not Tensor and generator is None:
            return self.transform()(images)
        self.check_images(images)
        if images.ndim == 3:
            return self.erase(images[None], generator)[0][0]
        return self.erase(images, generator)[0]

    def transform(self) -> ErasingTransform:
        """The law as a step of a pipeline of `torchvision.transforms.v2`."""
        from mi_tune.erasing.transform import ErasingTransform  # torchvision is slow to import

        return ErasingTransform(self)

    def check_images(self, images: Tensor) -> None:
        """Raise InputError unless these are uint8 images or floats in [0, 1], one or a batch."""
        _check_images(images)

    def fill_colour(self, channels: int) -> tuple[float, ...]:
        """The colour of a constant fill in [0, 1], one value per channel; see `fills.fill_colour`."""
        return fill_colour(self.fill, channels)


def _check_images(images: Tensor) -> None:
    if not isinstance(images, Tensor) or images.ndim not in (3, 4):
        shape = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise InputError(f"erasing law: got {shape}, not a tensor (channels, height, width) or a batch of such")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise InputError(f"erasing law: images of {images.dtype}; give uint8, or floats in [0, 1]")
    if images.is_floating_point() and images.numel():
        low, high = (float(value) for value in images.aminmax())
        if not (low >= -0.01 and high <= 1.01):  # also if NaN
            raise InputError(
                f"erasing law: pixels from {low:.3g} to {high:.3g}; give floats in [0, 1], before normalising, or uint8"
            )


def _numbers(name: str, values: Iterable[float]) -> tuple[float, ...]:
    try:
        return tuple(float(v) for v in values)
    except (TypeError, ValueError):
        raise InputError(f"erasing law: {name} {values!r} is not a sequence of numbers") from None


def _pair(name: str, values: Iterable[float]) -> tuple[float, float]:
    numbers = _numbers(name, values)
    if len(numbers) != 2:
        raise InputError(f"erasing law: {name} {values!r} is not a pair of numbers")
    return numbers[0], numbers[1]


def _generator_on(device: torch.device, generator: torch.Generator | None) -> torch.Generator | None:
    # without a generator `mask` would draw on the CPU; images on a GPU need their mask there
    if generator is None and device.type != "cpu":
        return torch.cuda.default_generators[device.index or 0]
    return generator
