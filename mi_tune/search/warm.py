"""Warm start: the best laws of an earlier study, perhaps on other data, and on request its trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import CategoricalDistribution

from mi_tune.erasing.columns import law_of
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import counted
from mi_tune.search.expectation import expected
from mi_tune.search.front import front_mask, hypervolume
from mi_tune.search.geometry import Geometry
from mi_tune.search.mixes import ERASING, LAW_PARAMETERS, SearchSpace
from mi_tune.search.observations import Observations
from mi_tune.search.space import coordinates, distributions, numeric, params_of, point_of
from mi_tune.search.state import State
from mi_tune.setup import Space


@dataclass(frozen=True)
class EarlierStudy:
    """An earlier study, read from its folder.

    Args:
        space: what it searched. runs: its table of trials. laws: the same with one row per law, from `laws_of`.
    """

    name: str
    space: Space
    runs: pd.DataFrame
    laws: pd.DataFrame
    folder: Path


@dataclass(frozen=True)
class WarmStart:
    """What a new study takes over from an earlier one.

    Args:
        first: points of the new space to be tried before all others, the most valuable one first.
        observed: the earlier trials whose laws lie in the new space, as a prior of the model. They do not become trials
            of the new study; there are none unless `transfer` is asked for.
        notes: what is used and what is not, one sentence each.
    """

    first: list[dict[str, Any]]
    observed: Observations
    notes: list[str]


def warm_start(earlier: EarlierStudy, space: Space, most: int, transfer: bool = False) -> WarmStart:
    """What a study of `space` takes over from an earlier one: laws of its front, and with `transfer` its trials.

    The front is that of the expected accuracies, see `expected`. A trial whose law lies outside the space is not
    transferred, because the accuracy of the nearest law inside is not known. If the law is on the front, the nearest
    law inside is still tried.

    Args:
        most: the largest number of laws taken from the front.

    Raises:
        InputError: the spaces have no searched parameter in common, or the earlier study has no complete trial.
    """
    new, old = distributions(space), distributions(earlier.space)
    shared = [name for name in new if name in old]
    if not shared:
        raise InputError(
            f"warm start from {earlier.folder}: no parameter is searched in both studies "
            f"(there: {', '.join(old) or 'none'}; here: {', '.join(new) or 'none'}); leave it out"
        )
    complete = earlier.laws[earlier.laws.state == State.COMPLETE]
    if not len(complete):
        raise InputError(f"warm start from {earlier.folder}: none of its trials is complete; leave it out")
    worth = expected(earlier.runs, complete, earlier.space)
    own = (complete.reference == "").to_numpy()
    best = _best(worth.natural_accuracy.to_numpy(float)[own], worth.attack_accuracy.to_numpy(float)[own], most)
    first = [_placed(space, new, row) for _, row in complete[own].iloc[best].iterrows()]

    distinct = list({tuple(params.values()): params for params, _ in first}.values())
    notes = [f"{counted(len(distinct), 'law')} of its front first; shared parameters: {', '.join(shared)}"]
    moved = Counter(name for _, misfits in first for name in misfits)
    if moved:
        notes.append(f"laws of its front that had to be moved into this space: {_by_name(moved)}")
    notes += [f"{name} was not searched there; its laws have {_fixed(earlier.space, name)}" for name in new
              if name not in old]  # fmt: skip
    notes += [f"{name} is not searched here; its value is {_fixed(space, name)}" for name in old
              if name not in new]  # fmt: skip
    observed = Observations.of(Geometry(new), [])
    if transfer:
        observed, unused = _observed(earlier, space, new)
        notes.append(f"{counted(len(observed), 'trial')} of it as a prior of the model")
        if unused:
            notes.append(f"trials left out, because their laws lie outside this space: {_by_name(unused)}")
    return WarmStart(distinct, observed, notes)


def _observed(earlier: EarlierStudy, space: Space, known: SearchSpace) -> tuple[Observations, Counter[str]]:
    """The measured trials inside the space, and for each parameter how many others it puts outside."""
    trials, outside = [], Counter[str]()
    for _, run in earlier.runs[earlier.runs.state.isin(State.measured())].iterrows():
        params, misfits = _placed(space, known, run)
        outside.update(misfits)
        if not misfits:
            trials.append((params, run))
    return Observations.of_trials(Geometry(known), trials, attack_below_floor=False), outside


def _fixed(space: Space, name: str) -> Any:
    """What a space that does not search a parameter has in its place; a defence that it lacks is off."""
    return getattr(space, name) if name in LAW_PARAMETERS else name == ERASING


def _by_name(names: Counter[str]) -> str:
    return ", ".join(f"{count} by {name}" for name, count in names.most_common())


def _best(natural: np.ndarray, attack: np.ndarray, most: int) -> list[int]:
    """Greedy hypervolume subset selection: at most `most` points of the front, each adding most to those before it."""
    left: list[int] = np.flatnonzero(front_mask(natural, attack)).tolist()
    chosen: list[int] = []
    while left and len(chosen) < most:
        volumes = [hypervolume(natural[[*chosen, k]], attack[[*chosen, k]]) for k in left]
        chosen.append(left.pop(int(np.argmax(volumes))))
    return chosen


def _placed(space: Space, known: SearchSpace, run: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The point of a space that is nearest to a trial's law, and the names of the parameters that had to change.

    Other defences that the space lacks are left out.
    """
    if (params := point_of(space, run)) is not None:
        return params, []
    if run.get("defences") and (params := params_of(space, law_of(run))) is not None:
        return params, ["defences"]
    law = law_of(run)
    point, misfits = {}, []
    for name, value in coordinates(law).items():
        distribution = known.get(name)
        if distribution is None:
            fixed = getattr(space, name)
            near = fixed[0] if isinstance(fixed, (tuple, list)) else fixed
        elif isinstance(distribution, CategoricalDistribution):
            near = value if value in distribution.choices else distribution.choices[0]
        else:
            near = min(max(value, numeric(distribution).low), numeric(distribution).high)
        # differences by rounding do not count
        if near != value and not (isinstance(value, float) and np.isclose(near, value, atol=1e-6)):
            misfits.append(name)
        point[name] = near
    point |= {name: name == ERASING for name in known.switches}
    return {name: point[name] for name in known if known.active(point, name)}, misfits
