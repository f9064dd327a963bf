"""How much of an image a law of squares really erases, and the area that it needs to erase a wanted share.

Squares have whole pixels for sides and those that overflow lose what is outside, so laws of one area erase different
shares. For one square an image both are known exactly, without drawing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mi_tune.erasing import ErasingLaw
from mi_tune.runtime.errors import InputError


def realised_share(law: ErasingLaw, resolution: int) -> float:
    """Mean share of the pixels of a training image of `resolution` squared that the law erases.

    Raises InputError for a law of more than one rectangle an image, or of other rectangles than squares.
    """
    shares = _shares(law, resolution)
    low, high = law.area
    if low == high:
        side = int(np.clip(np.round(np.sqrt(low) * resolution), 1, resolution))
        return law.probability * float(shares[side - 1])
    # sides are rounded: side s comes from areas between (s - 1/2)^2 and (s + 1/2)^2 pixels, the smallest from 0
    edges = ((np.arange(resolution + 1) + 0.5) / resolution) ** 2
    below = ((edges - low) / (high - low)).clip(0, 1)
    below[0] = 0
    return law.probability * float(np.diff(below) @ shares)


def with_share(law: ErasingLaw, share: float, resolution: int) -> ErasingLaw:
    """The law with the area at which it erases the mean share `share` of the images that it erases at all.

    Where no side of whole pixels gives that share, the area is a narrow range from which the two neighbouring sides
    are drawn as often as it takes.

    Raises InputError where one square cannot erase as much or as little, and as `realised_share` does.
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
    """Mean share erased by a square of each side from 1 to `resolution` pixels, (resolution,)."""
    if law.count != 1 or law.aspect != (1.0, 1.0):
        raise InputError("the realised area is known for laws of one square an image; set count 1 and aspect (1, 1)")
    sides = np.arange(1, resolution + 1)
    if law.location != "overflow":
        return (sides / resolution) ** 2
    start = np.arange(resolution) - sides[:, None] // 2  # of the squares around every pixel
    visible = np.minimum(start + sides[:, None], resolution) - np.maximum(start, 0)
    # rows and columns are placed independently
    return (visible.mean(1) / resolution) ** 2
