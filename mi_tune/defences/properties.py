"""The two properties to which the paper attributes the effect of Random Erasing, as treatments to compare.

"Random Erasing vs. Model Inversion" (arXiv 2409.01062) names *partial erasure* (a part of every image is hidden, not
whole images) and *random location* (the hidden part moves). The treatments for one property differ in that property
only: all hide the same share of the pixels on average, counted in whole pixels at the given resolution.
"""

from __future__ import annotations

from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import LOCATIONS, ErasingLaw
from mi_tune.erasing.realised_area import with_share
from mi_tune.runtime.errors import InputError

DESCRIPTION = "property.yaml"
"""Name of the file, in the folder of a property study, that says what was compared."""


def partial_erasure(area: float, resolution: int) -> dict[str, Treatment]:
    """Treatments that hide the share `area` of the training pixels, as part of every image or as whole images.

    Args:
        area: hidden share, in (0, 1).
        resolution: side of the images in pixels.

    The first three treatments take the same number of steps. "left out" replaces the left-out images by repeats of the
    others: over all epochs it sees every image as often as an undefended training. "fewer steps" and "fewer epochs"
    show the share `area` less, and so also train less; the latter is the paper's comparison.

    Raises:
        InputError: the area is outside (0, 1) or too small for one pixel.
    """
    if not 0 < area < 1:
        raise InputError(f"partial erasure: area {area!r} is not in (0, 1)")
    return {
        "part of every image": Treatment(with_share(ErasingLaw(1.0, fill="mean"), area, resolution)),
        "whole images blank": Treatment(ErasingLaw(area, area=(1.0, 1.0), fill="mean")),
        "whole images left out": Treatment(dropped=area, refilled=True),
        "whole images left out, fewer steps": Treatment(dropped=area),
        "fewer epochs": Treatment(epochs=1 - area),
    }


def location(area: float, resolution: int) -> dict[str, Treatment]:
    """Treatments with one erased square per image and the same expected erased share `area`, one per location.

    With `overflow` the square is larger, because the border cuts it, and it can erase only a little over half of an
    image.

    Raises InputError if one of the locations cannot erase the share `area`.
    """
    return {
        place: Treatment(with_share(ErasingLaw(1.0, location=place, fill="mean"), area, resolution))
        for place in LOCATIONS
    }
