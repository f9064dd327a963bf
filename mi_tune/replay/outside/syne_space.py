"""A searched space as Syne Tune has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from syne_tune.config_space import Domain, choice, loguniform, randint, uniform


def syne_space(space: Mapping[str, BaseDistribution]) -> dict[str, Domain]:
    """Every parameter with the range and scale that it has here."""
    return {name: _domain(distribution) for name, distribution in space.items()}


def _domain(distribution: BaseDistribution) -> Domain:
    if isinstance(distribution, CategoricalDistribution):
        return choice(list(distribution.choices))
    low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
    if isinstance(low, int):
        return randint(low, high)
    return loguniform(low, high) if distribution.log else uniform(low, high)  # type: ignore[attr-defined]


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """The values without NumPy's types."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in config.items()}
