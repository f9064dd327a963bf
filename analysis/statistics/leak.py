"""Where an attack lies between what is found without the target and what real images of the people would give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.statistics.resampling import Draws, between
from mi_tune.judging.intervals import Estimate

CLOSEST = 1e-6


@dataclass(frozen=True)
class LeakIndex:
    """0: the target gave nothing away; 1: the attack's images are as recognisable as real ones.

    Below 0 and above 1 are possible and are shown as they are. estimate is None where the index is undefined, and
    reason then says why; otherwise reason is "".
    """

    estimate: Estimate | None
    reason: str = ""


def leak_index(drawn: Draws, attack: str, baseline: str, ceiling: str, level: float = 0.95) -> LeakIndex:
    """(attack - baseline) / (ceiling - baseline), with the interval of that ratio over the joint draws.

    Args:
        drawn: of the three points by name, resampled together, so that all meet the same people. Baseline and ceiling
            are usually not retrained: give them to `resample` with a seed axis of length 1.

    The ratio has no interval where the distance from baseline to ceiling may be 0 (Fieller 1954), so the index is
    undefined where the interval of that distance holds 0 or lies below it. In the few draws that are left with a
    distance of 0 or less, it counts as CLOSEST: the ratio is then far out on the side of its numerator, which can only
    widen the interval.
    """
    reach = drawn.difference(ceiling, baseline, level)
    if reach.low <= 0:
        state = "may be equal" if reach.high >= 0 else "are the wrong way round"
        return LeakIndex(
            None,
            f"ceiling {ceiling!r} and baseline {baseline!r} {state}: "
            f"{reach.value:+.3f} [{reach.low:+.3f}, {reach.high:+.3f}] apart",
        )
    over, under, top = drawn.take(attack, baseline, ceiling).T
    ratio = (over - under) / np.maximum(top - under, CLOSEST)
    value = drawn.difference(attack, baseline, level).value / reach.value
    return LeakIndex(between(value, ratio, level))
