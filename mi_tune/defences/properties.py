"""The two properties that the paper credits Random Erasing with, each as trainings that differ in it alone.

"Random Erasing vs. Model Inversion" (arXiv 2409.01062): *partial erasure* (a part of every image is hidden, against
whole images) and *random location* (the hidden part moves, against one place). All trainings of a list hide the same
share of the pixels on average, counted in whole pixels at the given resolution.
"""

from __future__ import annotations

from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import LOCATIONS, ErasingLaw
from mi_tune.erasing.realised_area import with_share
from mi_tune.runtime.errors import InputError

DESCRIPTION = "property.yaml"
"""The file that says what a study of a property compared."""


def partial_erasure(area: float, resolution: int) -> dict[str, Treatment]:
    """A share `area` in (0, 1) of what is shown hidden: a square of every image, or a share of the images whole.

    The first three take exactly the same number of steps. "left out" hides nothing from a training as long as the
    others: over its epochs it sees every image as often as an undefended one. "fewer steps" and "fewer epochs" show
    `area` less (the latter is the paper's comparison), and thereby also train less.

    Raises InputError for an area outside (0, 1) or too small for one pixel.
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
    """Laws of one square that erase the mean share `area` of every image, by location: all of `LOCATIONS`.

    A square that overflows is larger, for the border cuts it, and cannot erase more than a little over half.

    Raises InputError for an area that one of the locations cannot erase.
    """
    return {
        place: Treatment(with_share(ErasingLaw(1.0, location=place, fill="mean"), area, resolution))
        for place in LOCATIONS
    }
