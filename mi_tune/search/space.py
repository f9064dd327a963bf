"""The search space: conversion between a sampler's parameters and erasing laws with other defences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.erasing.columns import law_of
from mi_tune.runtime.mix_text import mix_text, mix_values
from mi_tune.search.mixes import ERASING, SearchSpace
from mi_tune.search.optuna_private import holds
from mi_tune.setup import ParameterRange, Space

LARGEST_AREA = 0.95
"""Upper limit of the area of a rectangle, as a share of the image; larger ones are cut to it."""

NumericDistribution = FloatDistribution | IntDistribution


def numeric(distribution: BaseDistribution) -> NumericDistribution:
    """The distribution, which is known to have a lowest and a highest value."""
    assert isinstance(distribution, NumericDistribution)
    return distribution


def distributions(space: Space) -> SearchSpace:
    """The searched parameters and their ranges; parameters that the space fixes are left out."""
    found: dict[str, BaseDistribution] = {}
    switches = [ERASING, *space.defences] if space.defences else []
    for name in switches:
        found[name] = CategoricalDistribution([False, True])
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
    for kind, parameters in space.defences.items():
        for name, limits in parameters.items():
            if limits.low < limits.high:
                found[f"{kind}.{name}"] = _distribution(limits)
    return SearchSpace(found, switches, space.clashes, space.most_defences)


def _distribution(limits: ParameterRange) -> BaseDistribution:
    if limits.whole:
        return IntDistribution(int(limits.low), int(limits.high), log=limits.log)
    return FloatDistribution(limits.low, limits.high, log=limits.log)


def law_from(space: Space, params: Mapping[str, Any]) -> ErasingLaw:
    """The erasing law at a point of the space; `params` has a value for each of `distributions(space)` that exists."""
    if params.get(ERASING) is False:
        return NO_DEFENCE

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


def mix_from(space: Space, params: Mapping[str, Any]) -> str:
    """The defences beside erasing at a point of the space, as `mix_text` writes them; "" without any."""
    mix = []
    for kind, parameters in space.defences.items():
        if params.get(kind):
            values = {name: float(params.get(f"{kind}.{name}", limits.low)) for name, limits in parameters.items()}
            mix.append((kind, values))
    return mix_text(mix)


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


def params_of(space: Space, law: ErasingLaw, mix: str = "") -> dict[str, Any] | None:
    """The point of the space that means this law with these defences, or None if they lie outside the space.

    The rectangles of a law that never erases do not matter: it lies in every space whose probability reaches 0, and
    beside other defences in every space that has them.
    """
    known = distributions(space)
    beside = _params_of_mix(space, known, mix)
    if beside is None:
        return None
    if known.switches:
        if law.probability == 0:
            return {ERASING: False, **beside} if any(beside[kind] for kind in space.defences) else None
        beside = {ERASING: True, **beside}
    point = coordinates(law)
    own = [name for name in known if name in point]
    if law.probability == 0:
        for name in own:
            if name != "probability":
                distribution = known[name]
                if isinstance(distribution, CategoricalDistribution):
                    point[name] = distribution.choices[0]
                else:
                    point[name] = numeric(distribution).low
        return {k: point[k] for k in own} if _holds(known, space, "probability", 0.0) else None
    if not all(_holds(known, space, name, value) for name, value in point.items()):
        return None
    found = beside | {k: point[k] for k in own}
    return {name: found[name] for name in known if name in found}


def _params_of_mix(space: Space, known: SearchSpace, mix: str) -> dict[str, Any] | None:
    """Switches of the defences and the parameters of those that are on; None for a mix outside the space."""
    on = dict(mix_values(mix))
    if not on.keys() <= space.defences.keys() or len(on) > space.most_defences:
        return None
    found: dict[str, Any] = {kind: kind in on for kind in space.defences}
    for kind, values in on.items():
        for name, limits in space.defences[kind].items():
            value = values.get(name, math.nan)
            near = min(max(value, limits.low), limits.high)
            if not math.isclose(value, near, rel_tol=1e-6, abs_tol=1e-12):
                return None
            if limits.low < limits.high:
                found[f"{kind}.{name}"] = int(near) if limits.whole else near
    return found


def point_of(space: Space, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The point of the space that a row of the table of trials means, or None if it lies outside the space."""
    return params_of(space, law_of(row), str(row.get("defences") or ""))


def _holds(known: dict[str, BaseDistribution], space: Space, name: str, value: object) -> bool:
    if name in known:
        distribution = known[name]
        if isinstance(distribution, CategoricalDistribution):
            return value in distribution.choices
        return holds(distribution, value)
    fixed = getattr(space, name)
    return value == (fixed[0] if isinstance(fixed, (tuple, list)) else fixed)
