"""The measured laws of a study that lie in its searched space, each once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import ValidationError

from analysis.statistics.records import Study
from mi_tune.erasing.columns import law_of
from mi_tune.runtime.errors import InputError
from mi_tune.search.space import coordinates, distributions, point_of
from mi_tune.search.state import State
from mi_tune.setup import Space


@dataclass(frozen=True)
class SearchedLaws:
    """The measured laws in the searched space, each once.

    space: the searched parameters. points: their values for each law; a law that never erases has only a probability,
    because its rectangles have no effect. natural, attack: accuracies in [0, 1], (laws,); attack is NaN for an
    infeasible law.
    """

    space: dict[str, BaseDistribution]
    points: list[dict[str, Any]]
    natural: np.ndarray
    attack: np.ndarray


def searched_laws(study: Study) -> SearchedLaws:
    """The measured laws of a study that lie in its searched space.

    Stopped, failed and running trials are left out, because they have no final accuracies, and so are reference points
    outside the space. Infeasible laws keep their natural accuracy.

    Raises:
        InputError: the searched space in study.yaml cannot be read.
    """
    try:
        space = Space.model_validate(study.config["config"]["search"].get("space", {}))
    except (KeyError, TypeError, AttributeError, ValidationError) as error:
        raise InputError(f"{study.folder / 'study.yaml'}: config.search.space cannot be read") from error
    known = distributions(space)
    points, natural, attack = [], [], []
    for _, row in study.trials[study.trials.state.isin(State.measured())].iterrows():
        law = law_of(row)
        inside = row.reference or known.switches
        point = point_of(space, row) if inside else _clipped_to_space(known, coordinates(law))
        if point is None or not np.isfinite(row.natural_accuracy):
            continue
        if law.probability == 0 and not known.switches:
            point = {name: value for name, value in point.items() if name == "probability"}
        points.append(point)
        natural.append(row.natural_accuracy)
        attack.append(row.attack_accuracy if row.state == State.COMPLETE else np.nan)
    return SearchedLaws(known, points, np.array(natural), np.array(attack))


def _clipped_to_space(known: dict[str, BaseDistribution], values: dict[str, Any]) -> dict[str, Any] | None:
    """The searched values of a law, clipped to the space: the cut at the largest area can move them just outside."""
    point = {}
    for name, distribution in known.items():
        value = values[name]
        if isinstance(distribution, CategoricalDistribution):
            if value not in distribution.choices:
                return None
        else:
            assert isinstance(distribution, FloatDistribution | IntDistribution)
            value = min(max(value, distribution.low), distribution.high)
        point[name] = value
    return point
