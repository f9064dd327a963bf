"""Two-way decomposition of accuracies into seed effects, person effects and their residuals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MAX_ITERATIONS = 2000
TOLERANCE = 1e-12


class Effects(NamedTuple):
    """Additive effects on accuracy.

    The accuracy of point p, seed s and class c is `mean[p] + seed[p, s] + person[p, c] + rest[p, s, c]`.

    mean: (points,), with equal weight for every class. seed: (points, seeds). person: (points, classes). rest, the
    residual: (points, seeds, classes). The effects sum to 0 along every axis, and are 0 where nothing was measured.
    seeds, cells: number of seeds and of (seed, class) pairs that were measured at each point, int (points,).
    """

    mean: np.ndarray
    seed: np.ndarray
    person: np.ndarray
    rest: np.ndarray
    seeds: np.ndarray
    cells: np.ndarray


def effects(accuracy: np.ndarray) -> Effects:
    """Least-squares fit of additive seed and person effects.

    If a seed misses some pairs, these are filled with their fitted values until the fit no longer changes. The result
    is the least-squares fit to the measured pairs (Healy and Westmacott 1956). A seed that lost its hardest people
    therefore does not look better than the others.

    Args:
        accuracy: (points, seeds, classes) in [0, 1], NaN where nothing was measured. Every point needs at least one
            accuracy of every class.
    """
    measured = ~np.isnan(accuracy)
    trained = measured.any(2)
    missing = ~measured & trained[:, :, None]
    filled = np.where(measured, accuracy, 0.0)
    filled = np.where(missing, (filled.sum(1) / measured.sum(1))[:, None, :], filled)
    count = trained.sum(1)

    def split() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row, column = filled.mean(2), filled.sum(1) / count[:, None]
        mean = column.mean(1)
        return mean, np.where(trained, row - mean[:, None], 0.0), column - mean[:, None]

    mean, seed, person = split()
    for _ in range(MAX_ITERATIONS if missing.any() else 0):
        fitted = mean[:, None, None] + seed[:, :, None] + person[:, None, :]
        moved = np.abs(fitted - filled)[missing].max()
        filled = np.where(missing, fitted, filled)
        mean, seed, person = split()
        if moved < TOLERANCE:
            break
    rest = filled - mean[:, None, None] - seed[:, :, None] - person[:, None, :]
    rest = np.where(measured, rest, 0.0)
    return Effects(mean, seed, person, rest, count, measured.sum((1, 2)))
