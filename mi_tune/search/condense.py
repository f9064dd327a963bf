"""Condensing many trials to a few hundred points, so that the cost of the model stays bounded."""

from __future__ import annotations

import moocore
import numpy as np

BETTER_SHARE = 0.25
"""Half of the representatives are selected among this share of the trials: the best ones by non-dominated sorting."""


def select_representatives(columns: np.ndarray, losses: np.ndarray, count: int) -> np.ndarray:
    """Select trials by farthest-point (k-centre) selection, more densely near the front.

    Half of them are spread over the better trials (see BETTER_SHARE), the rest over all trials: the next one is always
    the trial that is farthest from those selected before.

    Args:
        columns: (n, columns), in which similar laws are near each other. losses: (n, objectives), all to be minimised,
            NaN in rows that were not measured. count: at most n.

    Returns:
        Indices of the selected trials, int (count,).
    """
    measured = np.flatnonzero(np.isfinite(losses).all(1))
    chosen: list[int] = []
    distance = np.full(len(columns), np.inf)
    if len(measured) > 1:
        better = measured[np.argsort(moocore.pareto_rank(losses[measured]), kind="stable")]
        better = np.sort(better[: max(1, int(BETTER_SHARE * len(columns)))])
        chosen = _farthest_points(columns[better], np.full(len(better), np.inf), min(count // 2, len(better)))
        chosen = [int(better[k]) for k in chosen]
    if chosen:
        distance = _nearest(columns, columns[chosen])[1]
        distance[chosen] = -np.inf  # other trials may lie at the same place
    return np.array(chosen + _farthest_points(columns, distance, count - len(chosen)), dtype=int)


def _farthest_points(columns: np.ndarray, distance: np.ndarray, count: int) -> list[int]:
    """Greedy farthest-point selection; `distance` holds the squared distances to the points selected already."""
    chosen: list[int] = []
    squares = (columns**2).sum(1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        last = columns[chosen[-1]]
        distance = np.minimum(distance, squares - 2 * columns @ last + last @ last)
        distance[chosen[-1]] = -np.inf
    return chosen


def _nearest(columns: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the nearest row of `among` and the squared distance to it, (n,) each."""
    squared = (among**2).sum(1) - 2 * columns @ among.T
    nearest = squared.argmin(1)
    rows = np.arange(len(columns))
    return nearest, np.maximum(squared[rows, nearest] + (columns**2).sum(1), 0)


def nearest_representative(columns: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Position in `chosen` of the representative nearest to each trial, int (n,) in [0, len(chosen))."""
    return _nearest(columns, columns[chosen])[0]


def group_means(
    values: np.ndarray, weights: np.ndarray, groups: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean of each group of values, and its total weight.

    Args:
        values: (n,), NaN where there is none. weights: (n,). groups: int (n,), the group of each value, in [0, count).

    Returns:
        Means and total weights, (count,) each. A group without values has mean NaN and weight 0.
    """
    known = np.isfinite(values)
    weight = np.bincount(groups[known], weights[known], count)
    total = np.bincount(groups[known], weights[known] * values[known], count)
    return np.divide(total, weight, out=np.full(count, np.nan), where=weight > 0), weight
