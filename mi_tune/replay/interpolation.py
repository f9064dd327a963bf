"""Ways to read a table between its laws; which one reads best is decided by leaving laws out."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mi_tune.search.gaussian import GaussianProcess

ENOUGH = 200
"""Laws that the lengths of a Gaussian process are fitted to at most."""


class Interpolator(Protocol):
    """Predicts values (n,) at columns (n, columns) from those that it was fitted to."""

    name: str

    def fit(self, x: np.ndarray, y: np.ndarray) -> Interpolator: ...

    def predict(self, x: np.ndarray) -> np.ndarray: ...

    def leave_one_out(self) -> np.ndarray:
        """What each fitted value is predicted to be from all the others, (n,)."""
        ...


class Nearest:
    """The value of the nearest law."""

    name = "nearest law"

    def fit(self, x: np.ndarray, y: np.ndarray) -> Nearest:
        self.x, self.y = x, y
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.y[_squared(x, self.x).argmin(1)]

    def leave_one_out(self) -> np.ndarray:
        apart = _squared(self.x, self.x)
        np.fill_diagonal(apart, np.inf)
        return self.y[apart.argmin(1)]


class Neighbours:
    """Mean of the `count` nearest laws, with Gaussian weights as wide as the distance to the middle one of them."""

    def __init__(self, count: int) -> None:
        self.count, self.name = count, f"{count} nearest laws"

    def fit(self, x: np.ndarray, y: np.ndarray) -> Neighbours:
        self.x, self.y = x, y
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self._mean(_squared(x, self.x))

    def leave_one_out(self) -> np.ndarray:
        apart = _squared(self.x, self.x)
        np.fill_diagonal(apart, np.inf)
        return self._mean(apart)

    def _mean(self, apart: np.ndarray) -> np.ndarray:
        count = min(self.count, len(self.y) - 1)
        near = np.argpartition(apart, count - 1, axis=1)[:, :count]
        distance = np.take_along_axis(apart, near, 1)
        width = np.maximum(np.median(distance, axis=1, keepdims=True), 1e-12)
        weights = np.exp(-0.5 * distance / width)
        return (weights * self.y[near]).sum(1) / weights.sum(1)


class Smooth:
    """A Gaussian process with a length for every parameter."""

    name = "Gaussian process"

    def __init__(self, groups: np.ndarray) -> None:
        self.process = GaussianProcess(groups)

    def fit(self, x: np.ndarray, y: np.ndarray) -> Smooth:
        # lengths are known well from some; the cost of fitting them grows with the cube of their number
        some = np.linspace(0, len(x) - 1, min(len(x), ENOUGH)).astype(int)
        self.process.fit(x[some], y[some], most_steps=40).condition(x, y)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.process.predict(x)

    def leave_one_out(self) -> np.ndarray:
        return self.process.leave_one_out()


def coarse() -> list[Interpolator]:
    """Those that need no fitting, one of each kind."""
    return [Nearest(), Neighbours(4), Neighbours(8), Neighbours(16)]


def candidates(groups: np.ndarray) -> list[Interpolator]:
    """One of each kind, not fitted."""
    return [*coarse(), Smooth(groups)]


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0)
