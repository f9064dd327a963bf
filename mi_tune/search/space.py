"""The search space: conversion between a sampler's parameters and erasing laws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from mi_tune.erasing import ErasingLaw
from mi_tune.search.optuna_private import holds
from mi_tune.setup import Space

LARGEST_AREA = 0.95
"""Upper limit of the area of a rectangle, as a share of the image; larger ones are cut to it."""

NumericDistribution = FloatDistribution | IntDistribution


def numeric(distribution: BaseDistribution) -> NumericDistribution:
    """The distribution, which is known to have a lowest and a highest value."""
    assert isinstance(distribution, NumericDistribution)
    return distribution


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The searched parameters and their ranges; parameters that the space fixes are left out."""
    found: dict[str, BaseDistribution] = {}
    for name in ("probability", "area_low", "area_span", "aspect_max"):
        value = getattr(space, name)
        if isinstance(value, tuple) and value[0] < value[1]:
            found[name] = FloatDistribution(value[0], value[1], log=name == "aspect_max")
    for name in ("location", "fill"):
        choices = getattr(space, name)
        if len(choices) > 1:
            found[name] = CategoricalDistribution(choices)
    for name in ("count", "clean_epochs"):
        value = getattr(space, name)
        if isinstance(value, tuple) and value[0] < value[1]:
            found[name] = IntDistribution(value[0], value[1])
    return found


def law_from(space: Space, params: Mapping[str, Any]) -> ErasingLaw:
    """The erasing law at a point of the space; `params` has a value for each of `distributions(space)`."""

    def value(name: str) -> Any:
        fixed = getattr(space, name)
        return params.get(name, fixed[0] if isinstance(fixed, (tuple, list)) else fixed)

    low = min(value("area_low"), LARGEST_AREA)
    aspect = value("aspect_max")
    return ErasingLaw(
        probability=value("probability"),
        area=(low, min(low + value("area_span"), LARGEST_AREA)),
        aspect=(1 / aspect, aspect),
        location=value("location"),
        fill=value("fill"),
        count=value("count"),
        clean_epochs=value("clean_epochs"),
    )


def coordinates(law: ErasingLaw) -> dict[str, Any]:
    """The value of every parameter that a space can have, for this law; it may lie outside a given space."""
    return {
        "probability": law.probability,
        "area_low": law.area[0],
        "area_span": round(law.area[1] - law.area[0], 9),  # 0.8 - 0.1 is a little more than 0.7
        "aspect_max": law.aspect[1],
        "location": law.location,
        "fill": law.fill,
        "count": law.count,
        "clean_epochs": law.clean_epochs,
    }


def params_of(space: Space, law: ErasingLaw) -> dict[str, Any] | None:
    """The point of the space that means this law, or None if the law lies outside the space.

    The rectangles of a law that never erases do not matter: it lies in every space whose probability reaches 0.
    """
    known = distributions(space)
    point = coordinates(law)
    if law.probability == 0:
        for name, distribution in known.items():
            if name != "probability":
                if isinstance(distribution, CategoricalDistribution):
                    point[name] = distribution.choices[0]
                else:
                    point[name] = numeric(distribution).low
        return {k: point[k] for k in known} if _holds(known, space, "probability", 0.0) else None
    if not all(_holds(known, space, name, value) for name, value in point.items()):
        return None
    return {k: point[k] for k in known}


def _holds(known: dict[str, BaseDistribution], space: Space, name: str, value: object) -> bool:
    if name in known:
        distribution = known[name]
        if isinstance(distribution, CategoricalDistribution):
            return value in distribution.choices
        return holds(distribution, value)
    fixed = getattr(space, name)
    return value == (fixed[0] if isinstance(fixed, (tuple, list)) else fixed)
