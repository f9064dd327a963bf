"""Which laws are tabulated: the reference laws, then a scrambled Sobol sequence over the search space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mi_tune.erasing import ErasingLaw
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.samplers import at_least_probable, sobol_points
from mi_tune.search.space import coordinates, distributions, law_from, params_of
from mi_tune.setup import Space
from mi_tune.trial.point import CONFIRMED_LAWS


@dataclass(frozen=True)
class DesignLaw:
    """A law of the design.

    Args:
        number: its place in the design, from 0. reference: its name, or "" for a point of the sequence.
        params: the searched parameters, by their names in the space. law: what they mean.
        in_space: whether the search could propose it; false of some references.
    """

    number: int
    reference: str
    params: dict[str, Any]
    law: ErasingLaw
    in_space: bool = True


def design(space: Space, laws: int, seed: int) -> list[DesignLaw]:
    """The first `laws` laws. Law k is the same however many are asked for, so that a table can be extended.

    The sequence is scrambled by another seed than a study's own start, which would otherwise propose these very laws.

    Raises:
        InputError: the space has nothing to search.
    """
    searched = distributions(space)
    if not searched:
        raise InputError("search.space fixes every parameter; give at least one a range or choices")
    found = [_reference(space, number, name, law) for number, (name, law) in enumerate(CONFIRMED_LAWS.items())]
    points = sobol_points(searched, derive_seed(seed, "design") % 2**32, 0, max(0, laws - len(found)))
    for point in points:
        params = at_least_probable(searched, point)
        found.append(DesignLaw(len(found), "", params, law_from(space, params)))
    return found[:laws]


def _reference(space: Space, number: int, name: str, law: ErasingLaw) -> DesignLaw:
    point = params_of(space, law)
    known = coordinates(law)
    params = point or {parameter: known[parameter] for parameter in distributions(space)}
    return DesignLaw(number, name, params, law, point is not None)
