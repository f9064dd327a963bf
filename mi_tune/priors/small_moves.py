"""Small moves of aligned images: shifts, turns and zooms, which add directions where a prior has few images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

Move = Callable[[Tensor], Tensor]
"""Changes images (n, channels, height, width), in [0, 1], to as many others."""

SHIFT = 1 / 32
"""Shift in image sides: one pixel at 32 px."""
ZOOM = 0.06
TURN = math.radians(7)


def same(images: Tensor) -> Tensor:
    return images


def mirrored(images: Tensor) -> Tensor:
    return images.flip(3)


def moved(
    images: Tensor, x: float = 0.0, y: float = 0.0, zoom: float = 0.0, turn: float = 0.0, flip: bool = False
) -> Tensor:
    """Images (n, channels, height, width) that are shifted, enlarged and turned about their centre.

    x, y: shift to the right and down, in image sides. zoom: enlargement minus 1. turn: in radians, from the x axis to
    the y axis. flip: take the mirror image first. Pixels from outside repeat the edge.
    """
    if flip:
        images = mirrored(images)
    scale = 1 / (1 + zoom)
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    # affine_grid maps places in the result to places in the image, in half sides
    back = [[cos, sin, -2 * (cos * x + sin * y)], [-sin, cos, -2 * (cos * y - sin * x)]]
    grid = torch.tensor(back, device=images.device).expand(len(images), -1, -1)
    places = F.affine_grid(grid, list(images.shape), align_corners=False)
    return F.grid_sample(images, places, padding_mode="border", align_corners=False)


def _moves() -> Iterator[Move]:
    for flip in (False, True):
        for x, y in product((-SHIFT, 0.0, SHIFT), repeat=2):
            if (x, y) != (0, 0):
                yield partial(moved, x=x, y=y, flip=flip)
        for zoom, turn in product((-ZOOM, 0.0, ZOOM), (-TURN, 0.0, TURN)):
            if (zoom, turn) != (0, 0):
                yield partial(moved, zoom=zoom, turn=turn, flip=flip)


MOVES = tuple(_moves())
"""Eight shifts, and eight combinations of zoom and turn, each of the image and of its mirror image."""
