"""The laws of a study that its searched space holds, each once, with what was measured of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from pydantic import ValidationError

from analysis.statistics.records import Study
from mi_tune.erasing.columns import law_of
from mi_tune.runtime.errors import InputError
from mi_tune.search.space import coordinates, distributions, params_of
from mi_tune.setup import Space


@dataclass(frozen=True)
class SearchedLaws:
    """Every law of the searched space that was measured, once.

    space: the searched parameters. points: their values, only the probability of a law that never erases: its
    rectangles are no values. natural, attack: accuracies in [0, 1], (laws,); attack is NaN for an infeasible law.
    """

    space: dict[str, BaseDistribution]
    points: list[dict[str, Any]]
    natural: np.ndarray
    attack: np.ndarray


def searched_laws(study: Study) -> SearchedLaws:
    """What of the study's table lies in its searched space and was measured.

    Stopped, failed and running trials have no final accuracies and are left out, and so are reference points that the
    space does not hold. Infeasible laws keep their natural accuracy.
    """
    try:
        space = Space.model_validate(study.config["config"]["search"].get("space", {}))
    except (KeyError, TypeError, AttributeError, ValidationError) as error:
        raise InputError(f"{study.folder / 'study.yaml'}: config.search.space cannot be read") from error
    known = distributions(space)
    points, natural, attack = [], [], []
    for _, row in study.trials[study.trials.state.isin(["complete", "infeasible"])].iterrows():
        law = law_of(row)
        point = params_of(space, law) if row.reference else _held(known, coordinates(law))
        if point is None or not np.isfinite(row.natural_accuracy):
            continue
        if law.probability == 0:
            point = {name: value for name, value in point.items() if name == "probability"}
        points.append(point)
        natural.append(row.natural_accuracy)
        attack.append(row.attack_accuracy if row.state == "complete" else np.nan)
    return SearchedLaws(known, points, np.array(natural), np.array(attack))


def _held(known: dict[str, BaseDistribution], values: dict[str, Any]) -> dict[str, Any] | None:
    """The searched ones among a law's values; what cutting at the largest area moved outside is put on the border."""
    point = {}
    for name, distribution in known.items():
        value = values[name]
        if isinstance(distribution, CategoricalDistribution):
            if value not in distribution.choices:
                return None
        else:
            value = min(max(value, distribution.low), distribution.high)  # type: ignore[attr-defined]
        point[name] = value
    return point
