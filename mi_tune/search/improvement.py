"""Expected hypervolume improvement, averaged over the fronts of many posterior samples at once."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mi_tune.search.front import HYPERVOLUME_REFERENCE


class SampledFronts:
    """The Pareto fronts of several posterior samples, to which points can be added.

    A front is kept as a staircase: the non-dominated points by rising `right`, how far their natural accuracy lies
    above the reference point, and falling `up`, how far their attack accuracy lies below it. These are the sides of
    the rectangle that a point dominates. The hypervolume is that of `front.hypervolume` with the same reference point.

    Args:
        natural, attack: accuracies of the same points in every sample, (samples, points).
        floor: points of lower natural accuracy add nothing; None: no floor.
        lowest, highest: natural and attack accuracy of the reference point; `highest` may differ between samples,
            (samples,).
    """

    def __init__(
        self,
        natural: np.ndarray,
        attack: np.ndarray,
        floor: float | None = None,
        lowest: float = HYPERVOLUME_REFERENCE[0],
        highest: float | np.ndarray = HYPERVOLUME_REFERENCE[1],
    ) -> None:
        self.lowest = lowest
        self.floor = -np.inf if floor is None else floor
        self.samples = len(natural)
        self.highest = np.broadcast_to(highest, self.samples)[:, None]
        right, up = self._sides(natural, attack)
        self._keep(right, up)

    def _sides(self, natural: np.ndarray, attack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sides of the rectangles that points dominate; 0 for what lies below the floor or beyond the reference."""
        right, up = natural - self.lowest, self.highest - attack
        counts = (natural >= self.floor) & (right > 0) & (up > 0)
        return np.where(counts, right, 0.0), np.where(counts, up, 0.0)

    def _keep(self, right: np.ndarray, up: np.ndarray) -> None:
        """Keep the non-dominated points of positive area, by rising `right`; both sides are to be maximised."""
        order = np.lexsort((-up, -right), axis=-1)
        right, up = np.take_along_axis(right, order, 1), np.take_along_axis(up, order, 1)
        before = np.maximum.accumulate(np.concatenate([np.zeros((self.samples, 1)), up], axis=1), axis=1)[:, :-1]
        sample, point = np.nonzero(up > before)
        count = np.bincount(sample, minlength=self.samples)
        # they come by falling `right`, so the last of a sample is the first of its front
        step = (np.cumsum(count)[sample] - 1) - np.arange(len(sample))
        self.right, self.up = np.zeros((2, self.samples, count.max(initial=0)))
        self.right[sample, step], self.up[sample, step] = right[sample, point], up[sample, point]
        # the unused places become steps of width 0
        self.right = np.maximum.accumulate(self.right, axis=1)

    def improvement(self, natural: np.ndarray, attack: np.ndarray) -> np.ndarray:
        """Expected hypervolume improvement of each of n points (samples, n) alone, as the mean over samples: (n,).

        A point adds the part of its rectangle to the right of all steps that are at least as high as itself, minus the
        area under the staircase there.
        """
        right, up = self._sides(natural, attack)
        left = np.concatenate([np.zeros((self.samples, 1)), self.right], axis=1)
        height = np.concatenate([self.up, np.zeros((self.samples, 1))], axis=1)
        below = np.concatenate([np.zeros((self.samples, 1)), np.cumsum(np.diff(left) * self.up, axis=1)], axis=1)
        high = self._count(-self.up, -up, "right")
        within = self._count(self.right, right, "left")
        at = lambda values, index: np.take_along_axis(values, index, axis=1)  # noqa: E731
        beyond = right - at(left, high)
        under = at(below, within) + (right - at(left, within)) * at(height, within) - at(below, high)
        return np.where(beyond > 0, np.maximum(up * beyond - under, 0), 0).mean(0)

    def _count(self, steps: np.ndarray, values: np.ndarray, side: Literal["left", "right"]) -> np.ndarray:
        """How many rising steps of a sample come before each of its values, (samples, n); all lie in [-1, 1]."""
        sample = np.arange(self.samples)[:, None]
        # one search for all samples: shifted by 3 each, they form one sorted row
        found = np.searchsorted((steps + 3 * sample).ravel(), (values + 3 * sample).ravel(), side)
        return found.reshape(values.shape) - steps.shape[1] * sample

    def add(self, natural: np.ndarray, attack: np.ndarray) -> None:
        """Add points (samples, n), or one point (samples,), to every front."""
        right, up = self._sides(natural.reshape(self.samples, -1), attack.reshape(self.samples, -1))
        self._keep(np.concatenate([self.right, right], 1), np.concatenate([self.up, up], 1))
