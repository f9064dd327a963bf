"""A search space as numbers in which near laws are alike: what models of distance see of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from scipy import optimize

from mi_tune.search.space import LARGEST_AREA

ERASING = ("probability", "area_low", "area_span")
"""Parameters that the mean erased share rises with."""


class Geometry:
    """Between the parameters of a space, the unit cube that is drawn from, and the columns that models see.

    Every number is brought to [0, 1] (on its own scale, logarithmic or not). Of a choice all values are equally far
    apart: one column a value, at a distance of 1. Two columns know what erasing is: the largest area stands in the
    place of the span, so that what is cut at the largest possible area is the same point; and the mean share of the
    image that is erased, which is what most of a law's effect goes through, is a column of its own.

    Args:
        space: the searched parameters.

    Attributes:
        groups: int (columns,), the parameter that a column belongs to: columns of one choice share a number.
        shares: column of the mean erased share, and its least and largest value in the space; None without one.
    """

    def __init__(self, space: Mapping[str, BaseDistribution]) -> None:
        self.space = dict(space)
        self.names = list(self.space)
        groups: list[int] = []
        for number, name in enumerate(self.names):
            distribution = self.space[name]
            choices = len(distribution.choices) if isinstance(distribution, CategoricalDistribution) else 1
            groups += [number] * choices
        if self._erases:
            groups.append(len(self.names))
        self.groups = np.array(groups, dtype=int)
        self.shares: tuple[int, float, float] | None = None
        if self._erases:
            low, high = self.erased_share(np.array([[0.0], [1.0]]) * np.ones(len(self.names)))
            self.shares = len(groups) - 1, float(low), float(high)

    @property
    def _erases(self) -> bool:
        """Whether a mean erased share says more than one parameter alone."""
        areas = {"area_low", "area_span"} & set(self.names)
        return len(areas) + ("probability" in self.names) >= 2

    def units(self, params: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Points of the unit cube, (n, parameters), that `params` mean; a choice or whole number is its cell's middle.

        What lies outside the space lies outside the cube; an unknown choice is an error.
        """
        out = np.empty((len(params), len(self.names)))
        for column, name in enumerate(self.names):
            out[:, column] = [quantile_of(self.space[name], point[name]) for point in params]
        return out

    def params(self, unit: np.ndarray) -> dict[str, Any]:
        """The parameters at one point of the unit cube, (parameters,)."""
        return {name: value_at(self.space[name], u) for name, u in zip(self.names, unit, strict=True)}

    def columns(self, units: np.ndarray) -> np.ndarray:
        """What models see of points of the unit cube, (n, columns)."""
        parts: list[np.ndarray] = []
        for column, name in enumerate(self.names):
            distribution, u = self.space[name], units[:, column]
            if isinstance(distribution, CategoricalDistribution):
                count = len(distribution.choices)
                chosen = np.minimum((u * count).astype(int), count - 1)
                parts.append(np.eye(count)[chosen] / np.sqrt(2))
            elif name == "area_span" and "area_low" in self.space:
                low, high = self._values("area_low", units), self._values(name, units)
                parts.append((np.minimum(low + high, LARGEST_AREA) / LARGEST_AREA)[:, None])
            elif isinstance(distribution.low, int):  # type: ignore[attr-defined]
                count = distribution.high - distribution.low + 1  # type: ignore[attr-defined]
                parts.append((np.clip(np.floor(u * count), 0, count - 1) / (count - 1))[:, None])
            else:
                parts.append(u[:, None])
        if self._erases:
            parts.append(self.erased_share(units)[:, None])
        return np.concatenate(parts, axis=1)

    def erased_share(self, units: np.ndarray) -> np.ndarray:
        """Mean share of the image that the laws erase, (n,) in [0, 1], as far as the searched parameters say."""
        low = self._values("area_low", units)
        high = np.minimum(low + self._values("area_span", units), LARGEST_AREA)
        probability = self._values("probability", units) if "probability" in self.space else 1.0
        return probability * (low + high) / 2

    def at_share(self, unit: np.ndarray, share: float) -> np.ndarray:
        """The point of the unit cube, (parameters,), that erases `share`, of those on the way from `unit` to where its
        ERASING parameters are all least or all largest."""
        free = np.isin(self.names, ERASING)
        short = lambda point: self.erased_share(point[None])[0] - share  # noqa: E731
        end = np.where(free, 1 - 1e-9 if short(unit) < 0 else 0.0, unit)
        way = lambda t: unit + t * (end - unit)  # noqa: E731
        if np.sign(short(end)) == np.sign(short(unit)):
            return end  # beyond what the space can erase
        return way(optimize.brentq(lambda t: short(way(t)), 0, 1))

    def _values(self, name: str, units: np.ndarray) -> np.ndarray:
        if name not in self.space:
            return np.zeros(len(units))
        distribution = self.space[name]
        return distribution.low + (distribution.high - distribution.low) * units[:, self.names.index(name)]  # type: ignore[attr-defined]


def value_at(distribution: BaseDistribution, u: float) -> Any:
    """The value at quantile `u` in [0, 1) of a distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(u * len(distribution.choices))]
    low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
    if getattr(distribution, "log", False):
        return low * (high / low) ** u
    if isinstance(low, int):
        return low + int(u * (high - low + 1))
    return low + (high - low) * u


def quantile_of(distribution: BaseDistribution, value: Any) -> float:
    """The quantile of a value: that of its cell's middle where values come in cells."""
    if isinstance(distribution, CategoricalDistribution):
        return (distribution.choices.index(value) + 0.5) / len(distribution.choices)
    low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
    if getattr(distribution, "log", False):
        return float(np.log(value / low) / np.log(high / low))
    if isinstance(low, int):
        return (value - low + 0.5) / (high - low + 1)
    return (value - low) / (high - low)
