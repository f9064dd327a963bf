"""Random augmentation of whole batches: shifts and flips of stored pixels, and differentiable random crops."""

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
