"""Hypervolume that a law would add to a front, in many worlds at once."""

from __future__ import annotations

from typing import Literal

import numpy as np


class Staircases:
    """The fronts of several worlds, each of which may grow.

    Args:
        natural, attack: accuracies of the same points in every world, (worlds, points).
        floor: points of lower natural accuracy count for nothing, or None. Hypervolume is that of `front.hypervolume`,
            seen from natural accuracy 0 and attack accuracy 1.
    """

    def __init__(self, natural: np.ndarray, attack: np.ndarray, floor: float | None = None) -> None:
        self.floor = floor
        self.worlds = len(natural)
        right, up = self._sides(natural, attack)
        self._keep(right, up)

    def _sides(self, natural: np.ndarray, attack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sides of the rectangle that a point dominates; none below the floor."""
        up = 1 - attack
        return natural, up if self.floor is None else np.where(natural >= self.floor, up, 0.0)

    def _keep(self, right: np.ndarray, up: np.ndarray) -> None:
        """Hold the non-dominated of points whose both sides are better long, by rising `right`; none of no area."""
        order = np.lexsort((-up, -right), axis=-1)
        right, up = np.take_along_axis(right, order, 1), np.take_along_axis(up, order, 1)
        before = np.maximum.accumulate(np.concatenate([np.zeros((self.worlds, 1)), up], axis=1), axis=1)[:, :-1]
        world, point = np.nonzero(up > before)
        count = np.bincount(world, minlength=self.worlds)
        # they come by falling `right`, so the last of a world is the first of its front
        step = (np.cumsum(count)[world] - 1) - np.arange(len(world))
        self.right, self.up = np.zeros((2, self.worlds, count.max(initial=0)))
        self.right[world, step], self.up[world, step] = right[world, point], up[world, point]
        # what is left over are steps of no width
        self.right = np.maximum.accumulate(self.right, axis=1)

    def gain(self, natural: np.ndarray, attack: np.ndarray) -> np.ndarray:
        """Mean over worlds of the hypervolume that each of n points, (worlds, n), would add alone: (n,).

        A point adds what its rectangle has beyond the end of those steps that are as high as itself, less what lies
        under the staircase there.
        """
        right, up = self._sides(natural, attack)
        left = np.concatenate([np.zeros((self.worlds, 1)), self.right], axis=1)
        height = np.concatenate([self.up, np.zeros((self.worlds, 1))], axis=1)
        below = np.concatenate([np.zeros((self.worlds, 1)), np.cumsum(np.diff(left) * self.up, axis=1)], axis=1)
        high = self._count(-self.up, -up, "right")
        within = self._count(self.right, right, "left")
        at = lambda values, index: np.take_along_axis(values, index, axis=1)  # noqa: E731
        beyond = right - at(left, high)
        under = at(below, within) + (right - at(left, within)) * at(height, within) - at(below, high)
        return np.where(beyond > 0, np.maximum(up * beyond - under, 0), 0).mean(0)

    def _count(self, steps: np.ndarray, values: np.ndarray, side: Literal["left", "right"]) -> np.ndarray:
        """How many rising steps of a world come before each of its values, (worlds, n); all lie in [-1, 1]."""
        world = np.arange(self.worlds)[:, None]
        # one sorted row of all worlds, three apart
        found = np.searchsorted((steps + 3 * world).ravel(), (values + 3 * world).ravel(), side).reshape(values.shape)
        return found - steps.shape[1] * world

    def add(self, natural: np.ndarray, attack: np.ndarray) -> None:
        """Let points, (worlds, n), or one, (worlds,), join every front."""
        right, up = self._sides(natural.reshape(self.worlds, -1), attack.reshape(self.worlds, -1))
        self._keep(np.concatenate([self.right, right], 1), np.concatenate([self.up, up], 1))
