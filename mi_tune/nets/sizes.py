"""Whether an architecture can take images of a size, found without computing anything."""

from __future__ import annotations

from functools import lru_cache

import torch

from mi_tune.nets import ARCHITECTURES, check_architecture, is_own, library_network
from mi_tune.nets.published import PUBLISHED, sized
from mi_tune.runtime.errors import InputError

SIZES = (16, 24, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 299, 384, 448, 512)
"""Sides in pixels that are tried for the message."""


def check_size(name: str, resolution: int) -> None:
    """Raise InputError with the sizes that the architecture takes, unless it can be trained on `resolution` pixels.

    A network of a library is built on torch's `meta` device, which has shapes but no numbers, and is shown two images
    there. This project's own take every size that a set-up allows; a user's own is tried when it is made.
    """
    check_architecture(name)
    name, side = sized(name)
    resolution = side or resolution
    if name in ARCHITECTURES or is_own(name) or _takes(name, resolution):
        return
    taken = [size for size in SIZES if _takes(name, size)]
    if taken and taken == list(SIZES[SIZES.index(taken[0]) :]):
        way_out = f"it takes {taken[0]} px and more"
    elif taken:
        way_out = f"it takes {', '.join(map(str, taken))} px"
    else:
        way_out = "choose another architecture"
    raise InputError(f"architecture '{name}' cannot take images of {resolution} px; {way_out} (--resolution)")


@lru_cache(maxsize=512)
def _takes(name: str, resolution: int) -> bool:
    if name in PUBLISHED:
        return PUBLISHED[name].takes(resolution)
    try:
        # the builder of a regnet computes with numbers
        with torch.device("cpu" if name.startswith("regnet") else "meta"), torch.random.fork_rng(devices=[]):
            model = library_network(name, 2, resolution, trial=True).to("meta").train()
        with torch.no_grad():
            return model(torch.empty(2, 3, resolution, resolution, device="meta")).ndim == 2
    except Exception:  # networks refuse a size by errors of any kind
        return False
