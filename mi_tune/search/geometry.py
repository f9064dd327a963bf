"""Numeric encoding of a search space for models that rely on distances: similar laws lie near each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from scipy import optimize

from mi_tune.search.mixes import ERASING, Switchboard, as_search_space
from mi_tune.search.space import LARGEST_AREA, numeric

ERASED_SHARE_PARAMETERS = ("probability", "area_low", "area_span")
"""Parameters that the mean erased share rises with."""


class Geometry:
    """Converts between the parameters of a space, the unit cube that points are drawn from, and the model's columns.

    Numeric parameters are scaled to [0, 1], logarithmically where their range is. Choices are one-hot encoded, so that
    all values of a choice are at a distance of 1 from each other. Two columns encode what is known of erasing. The
    upper end of the area takes the place of the span, so that laws that are cut to the same largest area are the same
    point. And the mean erased share has a column of its own, because most of a law's effect goes through it.

    A space with other defences has switches. A parameter whose switch is off does not exist, and has a column of the
    middle of its range. Which switches are on at a point of the cube is decided by a `Switchboard`, so that every point
    is a mix that is allowed; several points of the cube can be the same mix.

    Args:
        space: the searched parameters.

    Attributes:
        groups: int (columns,), the parameter that each column belongs to; all columns of a choice share a number.
        shares: index of the column of the mean erased share, and the smallest and largest share in the space; None if
            the space has no such column.
    """

    def __init__(self, space: Mapping[str, BaseDistribution]) -> None:
        self.space = as_search_space(space)
        self.names = list(self.space)
        self.switchboard = Switchboard(self.space) if self.space.switches else None
        groups: list[int] = []
        for number, name in enumerate(self.names):
            distribution = self.space[name]
            choices = len(distribution.choices) if isinstance(distribution, CategoricalDistribution) else 1
            choices = 1 if name in self.space.switches else choices
            groups += [number] * choices
        if self._erases:
            groups.append(len(self.names))
        self.groups = np.array(groups, dtype=int)
        self.shares: tuple[int, float, float] | None = None
        if self._erases:
            ends = np.array([[0.0], [1.0]]) * np.ones(len(self.names))
            if self.switchboard is not None:  # with erasing alone
                ends[:, self.switchboard.columns] = 0.0
            low, high = self.erased_share(ends)
            self.shares = len(groups) - 1, float(low), float(high)

    @property
    def _erases(self) -> bool:
        """Whether the mean erased share depends on more than one parameter."""
        areas = {"area_low", "area_span"} & set(self.names)
        return len(areas) + ("probability" in self.names) >= 2

    def units(self, params: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Points of the unit cube, (n, parameters), from parameters; a choice or an integer is the middle of its cell.

        Values outside the space lie outside the cube; an unknown choice raises ValueError.
        """
        out = np.empty((len(params), len(self.names)))
        for column, name in enumerate(self.names):
            if self.switchboard is not None and name in self.space.switches:
                out[:, column] = [self.switchboard.coordinate(name, point[name]) for point in params]
            else:
                distribution = self.space[name]
                out[:, column] = [quantile_of(distribution, point[name]) if name in point else 0.5 for point in params]
        return out

    def params(self, unit: np.ndarray) -> dict[str, Any]:
        """The parameters that exist at one point of the unit cube, (parameters,)."""
        values = {name: value_at(self.space[name], u) for name, u in zip(self.names, unit, strict=True)}
        if self.switchboard is None:
            return values
        on = dict(zip(self.switchboard.names, self.switchboard.on(unit[None])[0].tolist(), strict=True))
        values |= on
        return {name: value for name, value in values.items() if self.space.active(on, name)}

    def allowed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The nearest mix that is allowed: without parameters that do not exist there, or defences that clash."""
        return dict(params) if self.switchboard is None else self.params(self.units([params])[0])

    def columns(self, units: np.ndarray) -> np.ndarray:
        """The model's columns (n, columns) of points of the unit cube (n, parameters)."""
        parts: list[np.ndarray] = []
        if self.switchboard is not None:
            on, active = self.switchboard.on(units), self.switchboard.active(units)
            units = np.where(active, units, 0.5)
            units[:, self.switchboard.columns] = np.where(on, 1 - 1e-9, 0.0)
        for column, name in enumerate(self.names):
            distribution, u = self.space[name], units[:, column]
            if name in self.space.switches:
                parts.append((u > 0.5).astype(float)[:, None])
            elif isinstance(distribution, CategoricalDistribution):
                count = len(distribution.choices)
                chosen = np.minimum((u * count).astype(int), count - 1)
                parts.append(np.eye(count)[chosen] / np.sqrt(2))
            elif name == "area_span" and "area_low" in self.space:
                low, high = self._values("area_low", units), self._values(name, units)
                parts.append((np.minimum(low + high, LARGEST_AREA) / LARGEST_AREA)[:, None])
            elif isinstance(distribution, IntDistribution):
                count = distribution.high - distribution.low + 1
                if distribution.log:
                    parts.append(u[:, None])
                else:
                    parts.append((np.clip(np.floor(u * count), 0, count - 1) / (count - 1))[:, None])
            else:
                parts.append(u[:, None])
        if self._erases:
            parts.append(self.erased_share(units)[:, None])
        return np.concatenate(parts, axis=1)

    def erased_share(self, units: np.ndarray) -> np.ndarray:
        """Mean share of the image that the laws erase, (n,) in [0, 1], from the searched parameters alone."""
        low = self._values("area_low", units)
        high = np.minimum(low + self._values("area_span", units), LARGEST_AREA)
        probability = self._values("probability", units) if "probability" in self.space else 1.0
        share = probability * (low + high) / 2
        if self.switchboard is None:
            return share
        return np.where(self.switchboard.on(units)[:, self.switchboard.names.index(ERASING)], share, 0.0)

    def at_share(self, unit: np.ndarray, share: float) -> np.ndarray:
        """Move a point of the unit cube, (parameters,), until its law erases `share` on average.

        It moves on a straight line towards the point whose ERASED_SHARE_PARAMETERS are all smallest or all largest, and
        stops there if the space has no such share.
        """
        free = np.isin(self.names, ERASED_SHARE_PARAMETERS)
        excess = lambda point: self.erased_share(point[None])[0] - share  # noqa: E731
        end = np.where(free, 1 - 1e-9 if excess(unit) < 0 else 0.0, unit)
        along = lambda t: unit + t * (end - unit)  # noqa: E731
        if np.sign(excess(end)) == np.sign(excess(unit)):
            return end
        return along(optimize.brentq(lambda t: excess(along(t)), 0, 1))

    def _values(self, name: str, units: np.ndarray) -> np.ndarray:
        if name not in self.space:
            return np.zeros(len(units))
        distribution = numeric(self.space[name])
        return distribution.low + (distribution.high - distribution.low) * units[:, self.names.index(name)]


def value_at(distribution: BaseDistribution, u: float) -> Any:
    """The value at quantile `u` in [0, 1) of a parameter's distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(u * len(distribution.choices))]
    distribution = numeric(distribution)
    low, high = distribution.low, distribution.high
    if distribution.log:
        value = low * (high / low) ** u
        return round(value) if isinstance(low, int) else value
    if isinstance(low, int):
        return low + int(u * (high - low + 1))
    return low + (high - low) * u


def quantile_of(distribution: BaseDistribution, value: Any) -> float:
    """The quantile of a value, the inverse of `value_at`; for a choice or an integer, the middle of its cell."""
    if isinstance(distribution, CategoricalDistribution):
        return (distribution.choices.index(value) + 0.5) / len(distribution.choices)
    distribution = numeric(distribution)
    low, high = distribution.low, distribution.high
    if distribution.log:
        return float(np.log(value / low) / np.log(high / low))
    if isinstance(low, int):
        return (value - low + 0.5) / (high - low + 1)
    return (value - low) / (high - low)
