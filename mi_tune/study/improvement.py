"""Hypervolume that a law would add to a front, in many worlds at once."""

from __future__ import annotations

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
        fronts = [_front(right[world], up[world]) for world in range(self.worlds)]
        self._stack(fronts)

    def _sides(self, natural: np.ndarray, attack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sides of the rectangle that a point dominates; none below the floor."""
        up = 1 - attack
        return natural, up if self.floor is None else np.where(natural >= self.floor, up, 0.0)

    def _stack(self, fronts: list[tuple[np.ndarray, np.ndarray]]) -> None:
        longest = max(len(right) for right, _ in fronts)
        self.right, self.up = np.zeros((self.worlds, longest)), np.zeros((self.worlds, longest))
        for world, (right, up) in enumerate(fronts):
            self.right[world, : len(right)], self.up[world, : len(up)] = right, up
            # what is left over are steps of no width
            self.right[world, len(right) :] = right[-1] if len(right) else 0.0

    def gain(self, natural: np.ndarray, attack: np.ndarray) -> np.ndarray:
        """Mean over worlds of the hypervolume that each of n points, (worlds, n), would add alone: (n,)."""
        right, up = self._sides(natural, attack)
        left = np.concatenate([np.zeros((self.worlds, 1)), self.right], axis=1)
        gained = np.zeros_like(right)
        for step in range(self.right.shape[1]):
            width = np.minimum(right, self.right[:, step, None]) - left[:, step, None]
            gained += np.maximum(width, 0) * np.maximum(up - self.up[:, step, None], 0)
        gained += np.maximum(right - left[:, -1:], 0) * np.maximum(up, 0)
        return gained.mean(0)

    def add(self, natural: np.ndarray, attack: np.ndarray) -> None:
        """Let one point, (worlds,), join every front."""
        right, up = self._sides(natural[:, None], attack[:, None])
        rights, ups = np.concatenate([self.right, right], 1), np.concatenate([self.up, up], 1)
        self._stack([_front(rights[world], ups[world]) for world in range(self.worlds)])


def _front(right: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The non-dominated of points whose both sides are better long, by rising `right`; those of no area left out."""
    order = np.lexsort((-up, -right))
    right, up = right[order], up[order]
    best = np.maximum.accumulate(up)
    kept = np.concatenate([up[:1] > 0, up[1:] > best[:-1]]) if len(up) else np.zeros(0, bool)
    return right[kept][::-1], up[kept][::-1]
