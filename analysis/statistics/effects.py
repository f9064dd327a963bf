"""Accuracies of people crossed with training seeds, split into what belongs to the seed, the person and neither."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ROUNDS = 2000
TOLERANCE = 1e-12


class Effects(NamedTuple):
    """`mean[p] + seed[p, s] + person[p, c] + rest[p, s, c]` is the accuracy of point p, seed s and class c.

    mean: (points,), each class weighs the same. seed: (points, seeds), person: (points, classes) and rest:
    (points, seeds, classes) add up to 0 along every axis; 0 where nothing was measured. seeds: number of seeds that
    each point has, cells: number of (seed, class) pairs that it has, both int (points,).
    """

    mean: np.ndarray
    seed: np.ndarray
    person: np.ndarray
    rest: np.ndarray
    seeds: np.ndarray
    cells: np.ndarray


def effects(accuracy: np.ndarray) -> Effects:
    """The least-squares fit of seed plus person to accuracies (points, seeds, classes), NaN where there is none.

    A pair that is missing under a seed that has others is filled with its own fitted value until nothing moves, which
    is the fit to what is there (Healy and Westmacott 1956): a seed that lost its hardest people is not taken for a
    better one. Every point needs at least one accuracy of every class.
    """
    there = ~np.isnan(accuracy)
    trained = there.any(2)
    absent = ~there & trained[:, :, None]
    filled = np.where(there, accuracy, 0.0)
    filled = np.where(absent, (filled.sum(1) / there.sum(1))[:, None, :], filled)
    count = trained.sum(1)

    def split() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row, column = filled.mean(2), filled.sum(1) / count[:, None]
        mean = column.mean(1)
        return mean, np.where(trained, row - mean[:, None], 0.0), column - mean[:, None]

    mean, seed, person = split()
    for _ in range(ROUNDS if absent.any() else 0):
        fitted = mean[:, None, None] + seed[:, :, None] + person[:, None, :]
        moved = np.abs(fitted - filled)[absent].max()
        filled = np.where(absent, fitted, filled)
        mean, seed, person = split()
        if moved < TOLERANCE:
            break
    rest = filled - mean[:, None, None] - seed[:, :, None] - person[:, None, :]
    rest = np.where(there, rest, 0.0)
    return Effects(mean, seed, person, rest, count, there.sum((1, 2)))
