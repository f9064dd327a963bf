"""Which image sizes an architecture takes: found by trying it without any arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import nn

from mi_tune.runtime.errors import InputError

SIZES = (16, 24, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 299, 384, 448, 512)
"""Sides in pixels that are tried for the message."""

Build = Callable[[str, int], nn.Module]
"""Makes the network of (name, resolution)."""


def check_size(build: Build, name: str, resolution: int) -> None:
    """Raise InputError that names the sizes which an architecture takes, unless it takes `resolution`.

    Networks are made and run on the meta device, which knows shapes and no numbers; each is tried once in a process.
    """
    if _takes(build, name, resolution):
        return
    taken = [size for size in SIZES if _takes(build, name, size)]
    if taken and taken == list(SIZES[SIZES.index(taken[0]) :]):
        way_out = f"it takes {taken[0]} px and more"
    elif taken:
        way_out = f"it takes {', '.join(map(str, taken))} px"
    else:
        way_out = "choose another architecture"
    raise InputError(f"architecture '{name}' cannot take images of {resolution} px; {way_out} (--resolution)")


@lru_cache(maxsize=512)
def _takes(build: Build, name: str, resolution: int) -> bool:
    try:
        with torch.device("meta"), torch.no_grad():
            network = build(name, resolution).eval()
            return network(torch.empty(2, 3, resolution, resolution)).ndim == 2
    except Exception:  # networks refuse a size by errors of any kind
        return False
