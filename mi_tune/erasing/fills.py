"""Fill values of erased pixels, in pixel space, before normalisation."""

from __future__ import annotations

import torch
from torch import Tensor

from mi_tune.runtime.errors import InputError

FILLS = ("mean", "midre", "imagenet", "black", "white", "noise", "colour", "image_mean", "other_image")
"""Names of the fills; `ErasingLaw` explains them."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
MIDRE_FILL = tuple(v * 0.5 + 0.5 for v in IMAGENET_MEAN)
"""MIDRE's released code writes the ImageNet mean after normalising to [-1, 1]; in pixel space that is a light grey."""
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601 weights of red, green and blue
_COLOURS = {"black": (0.0,), "white": (1.0,), "midre": MIDRE_FILL, "imagenet": IMAGENET_MEAN}


def fill_values(fill: str | tuple[float, ...], images: Tensor, generator: torch.Generator | None) -> Tensor:
    """Fill values with the dtype of `images`, in a shape that broadcasts to theirs.

    Args:
        fill: a name from `FILLS`, or one value in [0, 1] per channel.
        images: (n, channels, height, width), uint8 or float in [0, 1].
        generator: on the images' device.

    Raises:
        InputError: see `fill_colour`; or the fill is `other_image` and there is only one image.
    """
    n, channels = images.shape[:2]
    scale = 255 if images.dtype == torch.uint8 else 1
    if fill == "noise":
        # one int64 draw gives eight random bytes; floats take 8-bit values too, in a third of the time of torch.rand
        words = torch.empty(-(-images.numel() // 8), dtype=torch.int64, device=images.device)
        noise = words.random_(-(2**63), None, generator=generator).view(torch.uint8)
        noise = noise[: images.numel()].view(images.shape)
        return noise if scale == 255 else noise.to(images.dtype).mul_(1 / 255)
    if fill == "colour":
        values = torch.rand(n, channels, 1, 1, device=images.device, generator=generator) * scale
    elif fill == "image_mean":
        values = images.float().mean((2, 3), keepdim=True)
    elif fill == "other_image":
        if n < 2:
            raise InputError("erasing law: fill 'other_image' needs a batch of two or more images")
        return images.roll(1, 0)
    else:
        colour = torch.tensor(fill_colour(fill, channels), device=images.device)
        values = colour.view(1, channels, 1, 1) * scale
    return values.round().to(images.dtype) if scale == 255 else values.to(images.dtype)


def fill_colour(fill: str | tuple[float, ...], channels: int) -> tuple[float, ...]:
    """The colour of a constant fill in [0, 1], one value per channel; grey images get the luma of a named colour.

    Raises InputError if the fill is not constant, or is given by values of another number of channels.
    """
    if fill == "mean":
        raise InputError("erasing law: fill 'mean' needs the training images' mean; call resolved(mean) first")
    if isinstance(fill, str) and fill not in _COLOURS:
        raise InputError(f"erasing law: fill '{fill}' is not a constant colour")
    values = _COLOURS[fill] if isinstance(fill, str) else fill
    if len(values) == channels:
        return values
    if isinstance(fill, str):
        if len(values) == 1:
            return values * channels
        if channels == 1:
            return (sum(v * k for v, k in zip(values, _LUMA, strict=True)),)
    raise InputError(f"erasing law: fill {values} does not have one value for each of {channels} channels")
