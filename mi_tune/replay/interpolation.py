"""Interpolators of a table between its laws; leave-one-out cross-validation chooses among them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mi_tune.search.gaussian import GaussianProcess

MAX_FITTED_LAWS = 200
"""Most laws that the length scales of a Gaussian process are fitted to."""


class Interpolator(Protocol):
    """Predicts values (n,) at points (n, columns) from those that it was fitted to."""

    name: str

    def fit(self, x: np.ndarray, y: np.ndarray) -> Interpolator: ...

    def predict(self, x: np.ndarray) -> np.ndarray: ...

    def leave_one_out(self) -> np.ndarray:
        """Leave-one-out predictions: each fitted value from all others, (n,)."""
        ...


class NearestLaw:
    """Nearest-neighbour interpolation: the value of the nearest law."""

    name = "nearest law"

    def fit(self, x: np.ndarray, y: np.ndarray) -> NearestLaw:
        self.x, self.y = x, y
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.y[_squared(x, self.x).argmin(1)]

    def leave_one_out(self) -> np.ndarray:
        squared = _squared(self.x, self.x)
        np.fill_diagonal(squared, np.inf)
        return self.y[squared.argmin(1)]


class NearestLaws:
    """Kernel regression: mean of the `count` nearest laws with Gaussian weights, whose width is the median distance."""

    def __init__(self, count: int) -> None:
        self.count, self.name = count, f"{count} nearest laws"

    def fit(self, x: np.ndarray, y: np.ndarray) -> NearestLaws:
        self.x, self.y = x, y
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self._mean(_squared(x, self.x))

    def leave_one_out(self) -> np.ndarray:
        squared = _squared(self.x, self.x)
        np.fill_diagonal(squared, np.inf)
        return self._mean(squared)

    def _mean(self, squared: np.ndarray) -> np.ndarray:
        count = min(self.count, len(self.y) - 1)
        near = np.argpartition(squared, count - 1, axis=1)[:, :count]
        distance = np.take_along_axis(squared, near, 1)
        width = np.maximum(np.median(distance, axis=1, keepdims=True), 1e-12)
        weights = np.exp(-0.5 * distance / width)
        return (weights * self.y[near]).sum(1) / weights.sum(1)


class GaussianProcessInterpolator:
    """Gaussian process regression with a length scale for every parameter."""

    name = "Gaussian process"

    def __init__(self, groups: np.ndarray) -> None:
        self.process = GaussianProcess(groups)

    def fit(self, x: np.ndarray, y: np.ndarray) -> GaussianProcessInterpolator:
        # a subset is enough to fit length scales; the cost grows with the cube of its size
        some = np.linspace(0, len(x) - 1, min(len(x), MAX_FITTED_LAWS)).astype(int)
        self.process.fit(x[some], y[some], max_steps=40).condition(x, y)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.process.predict(x)

    def leave_one_out(self) -> np.ndarray:
        return self.process.leave_one_out()


def neighbour_interpolators() -> list[Interpolator]:
    """One of each kind that averages neighbours and has no hyperparameters to fit; without data."""
    return [NearestLaw(), NearestLaws(4), NearestLaws(8), NearestLaws(16)]


def all_interpolators(groups: np.ndarray) -> list[Interpolator]:
    """One of each kind, without data; `groups` as in `GaussianProcess`."""
    return [*neighbour_interpolators(), GaussianProcessInterpolator(groups)]


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0)
