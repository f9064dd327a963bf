"""An earlier study, on other data perhaps, as the start of a new one: its best laws, and what its trials said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution

from mi_tune.erasing import ErasingLaw
from mi_tune.erasing.columns import law_of
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import counted
from mi_tune.search.expectation import expected
from mi_tune.search.front import front_mask, hypervolume
from mi_tune.search.front_model import Observations
from mi_tune.search.geometry import Geometry
from mi_tune.search.space import coordinates, distributions, params_of
from mi_tune.setup import Space


@dataclass(frozen=True)
class Earlier:
    """An earlier study: its name, what it searched, its table of trials, the same as one row a law, and its folder."""

    name: str
    space: Space
    runs: pd.DataFrame
    laws: pd.DataFrame
    folder: Path


@dataclass(frozen=True)
class WarmStart:
    """What a new study takes over from an earlier one.

    Args:
        first: points of the new space to be tried before any other, the one that says most first.
        observed: the earlier trials whose laws the new space holds, for the model to start from; none of them is a
            trial of the new study, and there are none unless that is asked for.
        notes: what is used and what is not, a sentence each.
    """

    first: list[dict[str, Any]]
    observed: Observations
    notes: list[str]


def warm_start(earlier: Earlier, space: Space, most: int, transfer: bool = False) -> WarmStart:
    """What a study of `space` takes over from an earlier one: `most` laws of its front, and with `transfer` its trials.

    A law that the space does not hold is no trial to learn from, since what it would be without the difference is not
    known. If it is on the front, its nearest point of the space is tried all the same.

    Raises:
        InputError: the spaces have no searched parameter in common, or the earlier study has no complete trial.
    """
    here, there = distributions(space), distributions(earlier.space)
    shared = [name for name in here if name in there]
    if not shared:
        raise InputError(
            f"warm start from {earlier.folder}: no parameter is searched in both studies "
            f"(there: {', '.join(there) or 'none'}; here: {', '.join(here) or 'none'}); leave it out"
        )
    complete = earlier.laws[earlier.laws.state == "complete"]
    if not len(complete):
        raise InputError(f"warm start from {earlier.folder}: none of its trials is complete; leave it out")
    worth = expected(earlier.runs, complete, earlier.space)
    own = (complete.reference == "").to_numpy()
    best = _best(worth.natural_accuracy.to_numpy(float)[own], worth.attack_accuracy.to_numpy(float)[own], most)
    first = [_placed(space, here, law_of(row)) for _, row in complete[own].iloc[best].iterrows()]

    distinct = list({tuple(params.values()): params for params, _ in first}.values())
    notes = [f"{counted(len(distinct), 'law')} of its front first; shared parameters: {', '.join(shared)}"]
    moved = Counter(name for _, misfits in first for name in misfits)
    if moved:
        notes.append(f"laws of its front that had to be moved into this space: {_by_name(moved)}")
    notes += [f"{name} was not searched there; its laws have {getattr(earlier.space, name)}" for name in here
              if name not in there]  # fmt: skip
    notes += [f"{name} is not searched here; its value is {getattr(space, name)}" for name in there
              if name not in here]  # fmt: skip
    observed = Observations.of(Geometry(here), [])
    if transfer:
        observed, unused = _observed(earlier, space, here)
        notes.append(f"{counted(len(observed), 'trial')} of it as a prior of the model")
        if unused:
            notes.append(f"trials left out, because their laws lie outside this space: {_by_name(unused)}")
    return WarmStart(distinct, observed, notes)


def _observed(earlier: Earlier, space: Space, known: dict[str, BaseDistribution]) -> tuple[Observations, Counter[str]]:
    """The measured trials that the space holds, and by which parameters how many others lie outside."""
    rows, outside = [], Counter[str]()
    for _, run in earlier.runs[earlier.runs.state.isin(["complete", "infeasible"])].iterrows():
        params, misfits = _placed(space, known, law_of(run))
        outside.update(misfits)
        if not misfits:
            attack = run.attack_accuracy if run.state == "complete" else np.nan
            rows.append({"params": params, "natural": run.natural_accuracy, "attack": attack})
    return Observations.of(Geometry(known), rows), outside


def _by_name(names: Counter[str]) -> str:
    return ", ".join(f"{count} by {name}" for name, count in names.most_common())


def _best(natural: np.ndarray, attack: np.ndarray, most: int) -> list[int]:
    """Indices of at most `most` points of the front, each the one that adds most hypervolume to those before it."""
    left = list(np.flatnonzero(front_mask(natural, attack)))
    chosen: list[int] = []
    while left and len(chosen) < most:
        volumes = [hypervolume(natural[[*chosen, k]], attack[[*chosen, k]]) for k in left]
        chosen.append(left.pop(int(np.argmax(volumes))))
    return chosen


def _placed(space: Space, known: dict[str, BaseDistribution], law: ErasingLaw) -> tuple[dict[str, Any], list[str]]:
    """The point of a space that is nearest to a law, and the names of the parameters that had to give way."""
    if (params := params_of(space, law)) is not None:
        return params, []
    point, misfits = {}, []
    for name, value in coordinates(law).items():
        distribution = known.get(name)
        if distribution is None:
            fixed = getattr(space, name)
            near = fixed[0] if isinstance(fixed, (tuple, list)) else fixed
        elif isinstance(distribution, CategoricalDistribution):
            near = value if value in distribution.choices else distribution.choices[0]
        else:
            near = min(max(value, distribution.low), distribution.high)  # type: ignore[attr-defined]
        # but for rounding
        if near != value and not (isinstance(value, float) and np.isclose(near, value, atol=1e-6)):
            misfits.append(name)
        point[name] = near
    return {name: point[name] for name in known}, misfits
