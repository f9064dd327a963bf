"""Conversion of a search space to Syne Tune's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from syne_tune.config_space import Domain, choice, loguniform, randint, uniform

from mi_tune.search.space import numeric


def syne_space(space: Mapping[str, BaseDistribution]) -> dict[str, Domain]:
    """Every parameter with the range and scale of its Optuna distribution."""
    return {name: _domain(distribution) for name, distribution in space.items()}


def _domain(distribution: BaseDistribution) -> Domain:
    if isinstance(distribution, CategoricalDistribution):
        return choice(list(distribution.choices))
    low, high = numeric(distribution).low, numeric(distribution).high
    if isinstance(low, int):
        return randint(low, high)
    return loguniform(low, high) if numeric(distribution).log else uniform(low, high)


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """The values as plain Python types instead of NumPy's."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in config.items()}
