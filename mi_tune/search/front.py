"""Pareto front and hypervolume of natural accuracy (maximised) and attack accuracy (minimised), by moocore."""

import moocore
import numpy as np

HYPERVOLUME_REFERENCE = (0.0, 1.0)
"""Reference point of the hypervolume: natural accuracy 0 and attack accuracy 1."""


def front_mask(natural: np.ndarray, attack: np.ndarray) -> np.ndarray:
    """Which points are non-dominated, bool (n,); equal points are all on the front. NaN is not allowed."""
    points = np.column_stack([natural, attack]).astype(float)
    if len(points) == 0:
        return np.zeros(0, dtype=bool)
    return moocore.is_nondominated(points, maximise=[True, False], keep_weakly=True)


def hypervolume(
    natural: np.ndarray,
    attack: np.ndarray,
    reference_natural: float = HYPERVOLUME_REFERENCE[0],
    reference_attack: float = HYPERVOLUME_REFERENCE[1],
) -> float:
    """Hypervolume: the area that the points dominate, bounded by the reference point; 0 to 1 with the default one."""
    points = np.column_stack([natural, attack]).astype(float)
    if len(points) == 0:
        return 0.0
    reference = [reference_natural, reference_attack]
    return float(moocore.hypervolume(points, ref=reference, maximise=[True, False]))
