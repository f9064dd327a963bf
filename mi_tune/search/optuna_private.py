"""The parts of Optuna that it does not promise to keep: the only file that touches them.

Each function says why nothing public will do. `tests/test_optuna_private.py` checks each against the installed Optuna,
and names the part that a new version has changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from mi_tune.search.mixes import as_search_space

FIXED_PARAMS = "fixed_params"
"""System attribute under which Optuna keeps the parameters of an enqueued trial."""


def holds(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a distribution can give the value, within its range and on its steps.

    `_contains`: without it, every kind of distribution and its rounding of steps would be written down here again.
    """
    return distribution._contains(distribution.to_internal_repr(value))


def fixed_params(trial: FrozenTrial) -> dict[str, Any] | None:
    """Parameters that an enqueued trial was given, or None if it is for the sampler to propose them.

    The system attribute `fixed_params`: a sampler is not told in any other way that Optuna will ignore its proposal.
    """
    return trial.system_attrs.get(FIXED_PARAMS)


def storage_id(trial: Trial | FrozenTrial) -> int:
    """The trial's identifier in its storage, unlike its number the same for no two studies.

    `_trial_id`: a storage gives one trial for it at once; Optuna's public way to a trial goes through all of a study.
    """
    return trial._trial_id


def open_trial(study: Study, trial_id: int) -> Trial:
    """A running trial that an earlier process has asked for, so that it can be written to and told.

    `Trial(study, trial_id)`: Optuna advises against this constructor, but offers only new trials.
    """
    return Trial(study, trial_id)


def ask(study: Study, space: Mapping[str, BaseDistribution]) -> Trial:
    """A new trial with a value for every parameter of the space that exists at its point.

    `_suggest`: Optuna's own `ask` gives values to all parameters of a space, and its public suggestions want the limits
    of a distribution one by one.
    """
    trial = study.ask()
    space = as_search_space(space)
    for name, distribution in space.items():
        if space.active(trial.params, name):
            trial._suggest(name, distribution)
    return trial


@contextmanager
def replayed_trials(
    storage: JournalStorage, study_id: int
) -> Iterator[tuple[Sequence[int], Mapping[int, FrozenTrial]]]:
    """Within it, nothing is read from the journal. Yields the identifiers of a study's trials in the order of their
    numbers, and the trials of all studies by identifier, after all that the journal holds has been read.

    `_thread_lock`, `_sync_with_backend`, `_replay_result`, `_study_id_to_trial_ids`, `_trials`: the public listing goes
    through all trials, which takes milliseconds once there are thousands.

    Raises:
        KeyError: there is no such study.
    """
    with storage._thread_lock:
        storage._sync_with_backend()
        known = storage._replay_result
        if study_id not in known._study_id_to_trial_ids:
            raise KeyError(f"the journal holds no study {study_id}")
        yield known._study_id_to_trial_ids[study_id], known._trials
