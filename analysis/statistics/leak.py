"""The leak index: an attack's accuracy on a scale from a baseline (0) to real images of the people (1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.statistics.resampling import Draws, percentile_estimate
from mi_tune.judging.intervals import Estimate

MIN_DISTANCE = 1e-6
"""Least distance from baseline to ceiling in a draw."""


@dataclass(frozen=True)
class LeakIndex:
    """Leak index: 0 if the attack is no better than the baseline, 1 if its images are as recognisable as real ones.

    Values below 0 and above 1 are possible and are not clipped. estimate: None if the index is undefined; `reason`
    then says why, and is "" otherwise.
    """

    estimate: Estimate | None
    reason: str = ""


def leak_index(drawn: Draws, attack: str, baseline: str, ceiling: str, level: float = 0.95) -> LeakIndex:
    """Leak index (attack - baseline) / (ceiling - baseline), with its interval over the joint draws.

    Args:
        drawn: joint draws of the three points, so that each draw has the same people for all of them. Baseline and
            ceiling usually involve no retraining: give them to `resample` with a seed axis of length 1.
        attack, baseline, ceiling: names of the points. level: confidence level in (0, 1).

    The ratio has no bounded interval if the distance from baseline to ceiling may be 0 (Fieller 1954). The index is
    therefore undefined if the interval of that distance contains 0 or lies below 0. In the few remaining draws with a
    distance of 0 or less, the distance is set to MIN_DISTANCE. Their ratio is then very large, with the sign of the
    numerator, which can only widen the interval.
    """
    reach = drawn.difference(ceiling, baseline, level)
    if reach.low <= 0:
        state = "may be equal" if reach.high >= 0 else "are in the wrong order"
        return LeakIndex(
            None,
            f"ceiling {ceiling!r} and baseline {baseline!r} {state}: "
            f"their difference is {reach.value:+.3f} [{reach.low:+.3f}, {reach.high:+.3f}]",
        )
    over, under, top = drawn.take(attack, baseline, ceiling).T
    ratio = (over - under) / np.maximum(top - under, MIN_DISTANCE)
    value = drawn.difference(attack, baseline, level).value / reach.value
    return LeakIndex(percentile_estimate(value, ratio, level))
