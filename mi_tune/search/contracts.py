"""The promises that the search relies on in a sampler, as a check that a user's own can be put through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import Trial, TrialState

from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import one_line
from mi_tune.search.optuna_private import ask

TRIALS = 10
PENDING = 4
"""Trials that are out at a time."""

Make = Callable[[dict[str, BaseDistribution], int], BaseSampler]
"""Makes a sampler from the searched parameters and a seed."""


def check_sampler_contract(make: Make, space: dict[str, BaseDistribution]) -> None:
    """Search a known function of the space with two objectives, several trials at a time, some failed or infeasible.

    Raises InputError unless the sampler

    - proposes laws while other trials are out, have failed or are infeasible, also if it is made anew in the middle of
      a study, as when a study is resumed;
    - depends on nothing but its seed and the study's trials, so that two of the same seed propose the same.

    Optuna itself replaces proposals outside a parameter's range.

    For example, in a test of your own sampler::

        check_sampler_contract(make, distributions(Space()))
    """
    name = type(make(space, 0)).__name__
    try:
        first, second = _search(make, space, seed=1), _search(make, space, seed=1)
        _search(make, space, seed=1, renewed_at=TRIALS // 2)
    except Exception as error:
        raise InputError(f"{name}: fails in a search ({one_line(error)})") from error
    for number, (one, other) in enumerate(zip(first, second, strict=True)):
        if one != other:
            raise InputError(f"{name}: two samplers of one seed propose different laws for trial {number}")


def _search(
    make: Make, space: dict[str, BaseDistribution], seed: int, renewed_at: int | None = None
) -> list[dict[str, Any]]:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=make(space, seed))
    out: list[Trial] = []
    proposed: list[dict[str, Any]] = []
    while len(proposed) < TRIALS:
        if len(proposed) == renewed_at:
            study.sampler = make(space, seed + 1)
        while len(out) < PENDING and len(proposed) < TRIALS:
            trial = ask(study, space)
            out.append(trial)
            proposed.append(trial.params)
        _tell(study, out.pop(0), space)
    return proposed


def _tell(study: Study, trial: Trial, space: dict[str, BaseDistribution]) -> None:
    if trial.number % 6 == 5:
        study.tell(trial, state=TrialState.FAIL)
        return
    share = sum(_place(value) for value in trial.params.values()) / len(space)
    trial.set_constraint("natural_accuracy_floor", share - 0.6)
    study.tell(trial, (1 - share, 1 - share**0.5))


def _place(value: Any) -> float:
    """A number in [0, 1] of any parameter's value that is the same in every process."""
    if isinstance(value, (int, float)):
        return min(abs(float(value)), 1.0)
    return sum(str(value).encode()) % 101 / 100
