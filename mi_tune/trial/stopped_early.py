"""The control that costs nothing: the training without defence, stopped early.

What leaks follows how well a classifier knows its people, so that a law must beat the undefended classifier of the
same natural accuracy. The trials without defence keep their targets at a few epochs and attack them as well.
"""

from __future__ import annotations

STOPPED_EARLY = "stopped_early.csv"
"""File in a trial's folder, one row per epoch and class; docs/study_folder.md describes it."""

SHARES = (0.1, 0.15, 0.25, 0.4)
"""When the training stops, as shares of its epochs. Natural accuracy rises early: at 80 epochs on CelebA, the laws of a
front met the undefended training between epochs 9 and 52."""


def stopping_epochs(epochs: int) -> tuple[int, ...]:
    """The epochs in [1, epochs) at which a training of `epochs` epochs is looked at, in rising order."""
    return tuple(sorted({max(1, round(share * epochs)) for share in SHARES} - {epochs}))
