"""The design of a table, its laws: the reference points, then a scrambled Sobol sequence over the search space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mi_tune.erasing import ErasingLaw
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.samplers import sobol_points, with_min_probability
from mi_tune.search.space import coordinates, distributions, law_from, params_of
from mi_tune.setup import Space
from mi_tune.trial.point import CONFIRMED_LAWS


@dataclass(frozen=True)
class DesignLaw:
    """A law of the design.

    Args:
        number: its index in the design, from 0. reference: its name as a reference point, "" for a Sobol point.
        params: the searched parameters by name. law: the law that they mean.
        in_space: whether the law lies in the search space, which some reference points do not.
    """

    number: int
    reference: str
    params: dict[str, Any]
    law: ErasingLaw
    in_space: bool = True


def design(space: Space, laws: int, seed: int) -> list[DesignLaw]:
    """The first `laws` laws of the design. Law k does not depend on `laws`, so that a table can be extended.

    The scrambling seed differs from that of a study's first laws, which would otherwise be the same laws.

    Raises:
        InputError: the space has no searched parameter.
    """
    searched = distributions(space)
    if not searched:
        raise InputError("search.space fixes every parameter; give at least one a range or choices")
    found = [_reference(space, number, name, law) for number, (name, law) in enumerate(CONFIRMED_LAWS.items())]
    points = sobol_points(searched, derive_seed(seed, "design") % 2**32, 0, max(0, laws - len(found)))
    for point in points:
        params = with_min_probability(searched, point)
        found.append(DesignLaw(len(found), "", params, law_from(space, params)))
    return found[:laws]


def _reference(space: Space, number: int, name: str, law: ErasingLaw) -> DesignLaw:
    point = params_of(space, law)
    known = coordinates(law)
    params = point or {parameter: known[parameter] for parameter in distributions(space)}
    return DesignLaw(number, name, params, law, point is not None)
