"""Many trials as few: a model of some hundred points that still knows of all of them."""

from __future__ import annotations

import moocore
import numpy as np

BETTER = 0.25
"""Share of the trials that half of the centres are among: those nearest to the front, by the fronts that peel off."""


def centres(columns: np.ndarray, losses: np.ndarray, count: int) -> np.ndarray:
    """Indices, int (count,), of trials that lie among the others as evenly as can be, more densely near the front.

    Args:
        columns: (n, columns), in which near trials are alike. losses: (n, objectives), all to be small, NaN in rows
            that were not measured. count: at most n.

    Half of them is spread over the better trials, the rest over all: each time the one farthest from those before it.
    """
    measured = np.flatnonzero(np.isfinite(losses).all(1))
    chosen: list[int] = []
    distance = np.full(len(columns), np.inf)
    if len(measured) > 1:
        better = measured[np.argsort(moocore.pareto_rank(losses[measured]), kind="stable")]
        better = np.sort(better[: max(1, int(BETTER * len(columns)))])
        chosen = _spread(columns[better], np.full(len(better), np.inf), min(count // 2, len(better)))
        chosen = [int(better[k]) for k in chosen]
    if chosen:
        distance = _nearest(columns, columns[chosen])[1]
        distance[chosen] = -np.inf  # others may lie at the same place
    return np.array(chosen + _spread(columns, distance, count - len(chosen)), dtype=int)


def _spread(columns: np.ndarray, distance: np.ndarray, count: int) -> list[int]:
    """The farthest from all before, again and again, given the squared distances to what there is already."""
    chosen: list[int] = []
    squares = (columns**2).sum(1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        last = columns[chosen[-1]]
        distance = np.minimum(distance, squares - 2 * columns @ last + last @ last)
        distance[chosen[-1]] = -np.inf
    return chosen


def _nearest(columns: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the nearest of `among` and the squared distance to it, (n,) each."""
    squared = (among**2).sum(1) - 2 * columns @ among.T
    nearest = squared.argmin(1)
    rows = np.arange(len(columns))
    return nearest, np.maximum(squared[rows, nearest] + (columns**2).sum(1), 0)


def gathered(columns: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The centre that each trial belongs to, int (n,) in [0, len(chosen)): the nearest."""
    return _nearest(columns, columns[chosen])[0]


def means(values: np.ndarray, weights: np.ndarray, belongs: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means of groups and the weights that they have together, (count,) each.

    Args:
        values: (n,), NaN where there is none. weights: (n,). belongs: int (n,), the group of each.

    A group without values has NaN and weight 0.
    """
    known = np.isfinite(values)
    weight = np.bincount(belongs[known], weights[known], count)
    total = np.bincount(belongs[known], weights[known] * values[known], count)
    return np.divide(total, weight, out=np.full(count, np.nan), where=weight > 0), weight
