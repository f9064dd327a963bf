"""Random augmentation of whole batches: shifts and flips of stored pixels, random crops, and changes of colour."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def shift_and_flip(images: Tensor, shift: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Shift each image by up to `shift` pixels along both axes (borders repeated); with `flip`, mirror half of them.

    Args:
        images: (n, channels, height, width) of any dtype, on the generator's device.

    One gather operation moves the whole batch.
    """
    n, channels, height, width = images.shape
    device = images.device
    offset = torch.randint(-shift, shift + 1, (2, n, 1), device=device, generator=generator)
    rows = (torch.arange(height, device=device) + offset[0]).clamp(0, height - 1)
    cols = (torch.arange(width, device=device) + offset[1]).clamp(0, width - 1)
    if flip:
        mirrored = torch.rand(n, 1, device=device, generator=generator) < 0.5
        cols = torch.where(mirrored, cols.flip(1), cols)
    index = (rows[:, :, None] * width + cols[:, None, :]).view(n, 1, height * width)
    flat = images.view(n, channels, height * width)
    return flat.gather(2, index.expand(n, channels, -1)).view_as(images)


def random_affine(
    images: Tensor,
    generator: torch.Generator,
    scale: tuple[float, float] = (1.0, 1.0),
    aspect: tuple[float, float] = (1.0, 1.0),
    rotation: float = 0.0,
    flip: bool = False,
    shift: float = 0.0,
) -> Tensor:
    """A random crop of each image, resized to its old size: differentiable, bilinear, borders repeated.

    Args:
        images: float (n, channels, height, width), on the generator's device.
        scale: range of the crop's area as a share of the image, uniform (as in torchvision's RandomResizedCrop).
        aspect: range of the crop's width / height, log-uniform.
        rotation: largest angle in degrees, in either direction.
        flip: mirror half of the images.
        shift: how far the crop may extend beyond the border, as a share of the side.
    """
    n, device = len(images), images.device
    u = torch.rand(6, n, device=device, generator=generator)
    area = scale[0] + (scale[1] - scale[0]) * u[0]
    ratio = torch.exp(math.log(aspect[0]) + math.log(aspect[1] / aspect[0]) * u[1])
    half_w = (area * ratio).sqrt().clamp(max=1)
    half_h = (area / ratio).sqrt().clamp(max=1)
    centre_x = (2 * u[2] - 1) * (1 - half_w + 2 * shift)
    centre_y = (2 * u[3] - 1) * (1 - half_h + 2 * shift)
    angle = (2 * u[4] - 1) * math.radians(rotation)
    mirror = torch.where(u[5] < 0.5, -1.0, 1.0) if flip else torch.ones_like(u[5])
    cos, sin = torch.cos(angle), torch.sin(angle)
    theta = torch.stack(
        [
            torch.stack([cos * half_w * mirror, -sin * half_h, centre_x], 1),
            torch.stack([sin * half_w * mirror, cos * half_h, centre_y], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta.to(images.dtype), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601 weights of red, green and blue."""


def colour_jitter(
    images: Tensor, generator: torch.Generator, brightness: float, contrast: float, saturation: float, hue: float
) -> Tensor:
    """Change brightness, contrast, saturation and hue of each image by draws of its own, as `ColorJitter` does.

    The factors of the first three are uniform in [max(0, 1 - strength), 1 + strength], the hue is shifted by up to its
    strength in turns of the colour circle (at most 0.5). The changes follow each other in this order; torchvision draws
    their order. Grey images have no saturation and no hue.

    Args:
        images: uint8 (n, channels, height, width), or float in [0, 1], on the generator's device.

    Returns:
        Floats in [0, 1].
    """
    images = images.float() / 255 if images.dtype == torch.uint8 else images
    u = torch.rand(4, len(images), 1, 1, 1, device=images.device, generator=generator)
    light, much, colour = (
        max(0.0, 1 - strength) + (1 + strength - max(0.0, 1 - strength)) * u[k]
        for k, strength in enumerate((brightness, contrast, saturation))
    )
    if brightness:
        images = (images * light).clamp(0, 1)
    if contrast:
        mean = _grey(images).mean((1, 2, 3), keepdim=True)
        images = torch.lerp(mean, images, much).clamp(0, 1)
    if images.shape[1] == 3 and saturation:
        images = torch.lerp(_grey(images), images, colour).clamp(0, 1)
    if images.shape[1] == 3 and hue:
        images = _turned(images, (2 * u[3] - 1) * hue)
    return images


def _grey(images: Tensor) -> Tensor:
    if images.shape[1] != 3:
        return images
    return (images * images.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _turned(images: Tensor, turns: Tensor) -> Tensor:
    """RGB images with their hue shifted, by way of hue, saturation and value (HSV)."""
    value, place = images.max(1, keepdim=True)
    chroma = value - images.amin(1, keepdim=True)
    red, green, blue = images.split(1, 1)
    safe = chroma.clamp(min=1e-8)
    sixths = torch.where(
        place == 0,
        (green - blue) / safe,
        torch.where(place == 1, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    # a channel's value falls from `value` by the chroma, as its distance on the circle of six demands
    at = (images.new_tensor([5.0, 3.0, 1.0]).view(1, 3, 1, 1) + sixths + 6 * turns) % 6
    return (value - chroma * torch.minimum(at, 4 - at).clamp(0, 1)).clamp(0, 1)
