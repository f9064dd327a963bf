"""The front of natural accuracy (more is better) against attack accuracy (less is better), by moocore."""

import moocore
import numpy as np

REFERENCE_POINT = (0.0, 1.0)
"""Natural accuracy 0 and attack accuracy 1: the corner from which the hypervolume is measured."""


def front_mask(natural: np.ndarray, attack: np.ndarray) -> np.ndarray:
    """Which points no other point dominates, bool (n,); equal points are all on the front. NaN is not allowed."""
    points = np.column_stack([natural, attack]).astype(float)
    if len(points) == 0:
        return np.zeros(0, dtype=bool)
    return moocore.is_nondominated(points, maximise=[True, False], keep_weakly=True)


def hypervolume(
    natural: np.ndarray,
    attack: np.ndarray,
    reference_natural: float = REFERENCE_POINT[0],
    reference_attack: float = REFERENCE_POINT[1],
) -> float:
    """Area that the points dominate, as seen from the reference point; 0 to 1 with the default one."""
    points = np.column_stack([natural, attack]).astype(float)
    if len(points) == 0:
        return 0.0
    reference = [reference_natural, reference_attack]
    return float(moocore.hypervolume(points, ref=reference, maximise=[True, False]))
