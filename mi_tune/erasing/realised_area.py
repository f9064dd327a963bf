"""The share of pixels that a law of squares really erases, and the area with which it erases a wanted share.

The sides of squares are whole pixels, and squares that overflow lose the part outside the image. So laws with the same
area erase different shares. For one square per image both values are computed exactly, without sampling.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mi_tune.erasing import ErasingLaw
from mi_tune.runtime.errors import InputError


def realised_share(law: ErasingLaw, resolution: int) -> float:
    """The expected share of pixels that the law erases, over all training images of `resolution` x `resolution`.

    Raises InputError for a law with more than one rectangle per image, or with rectangles other than squares.
    """
    shares = _shares(law, resolution)
    low, high = law.area
    if low == high:
        side = int(np.clip(np.round(np.sqrt(low) * resolution), 1, resolution))
        return law.probability * float(shares[side - 1])
    # sides are rounded: areas between (s - 1/2)^2 and (s + 1/2)^2 pixels give side s, and all below that side 1
    edges = ((np.arange(resolution + 1) + 0.5) / resolution) ** 2
    cumulative = ((edges - low) / (high - low)).clip(0, 1)
    cumulative[0] = 0
    return law.probability * float(np.diff(cumulative) @ shares)


def with_share(law: ErasingLaw, share: float, resolution: int) -> ErasingLaw:
    """The same law with the area at which it erases on average the share `share` of an image that it erases at all.

    If no whole number of pixels as side gives that share, the area is a narrow range from which the two neighbouring
    sides are drawn in the right proportion.

    Raises InputError if one square cannot erase so much or so little, and as `realised_share` does.
    """
    shares = _shares(law, resolution)
    if not shares[0] <= share <= shares[-1]:
        raise InputError(
            f"a square at location '{law.location}' erases between {shares[0]:.4f} and {shares[-1]:.4f} of an image of "
            f"{resolution} pixels, not {share:g}; choose an area in between"
        )
    side = int(np.searchsorted(shares, share, side="right"))  # the largest side that erases no more than `share`
    if shares[side - 1] == share:
        area = (side / resolution) ** 2
        return replace(law, area=(area, area))
    larger = (share - shares[side - 1]) / (shares[side] - shares[side - 1])
    border, width = ((side + 0.5) / resolution) ** 2, side / resolution**2
    return replace(law, area=(border - width * (1 - larger), border + width * larger))


def _shares(law: ErasingLaw, resolution: int) -> np.ndarray:
    """Expected share of an image that a square erases, for each side from 1 to `resolution` pixels, (resolution,)."""
    if law.count != 1 or law.aspect != (1.0, 1.0):
        raise InputError("the realised area is known for laws with one square per image; set count 1 and aspect (1, 1)")
    sides = np.arange(1, resolution + 1)
    if law.location != "overflow":
        return (sides / resolution) ** 2
    start = np.arange(resolution) - sides[:, None] // 2  # first row of the squares centred on every pixel
    visible = np.minimum(start + sides[:, None], resolution) - np.maximum(start, 0)
    # rows and columns are placed independently, so the shares of both axes multiply
    return (visible.mean(1) / resolution) ** 2
