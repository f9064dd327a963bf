"""Optuna's journal storage for studies of many trials: finished trials are not visited again."""

from __future__ import annotations

import copy
from collections.abc import Container
from dataclasses import dataclass, field

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState


@dataclass
class _Listing:
    """A study's trials as last read, and the indices of those that were not finished then."""

    trials: list[FrozenTrial] = field(default_factory=list)
    open: list[int] = field(default_factory=list)


class OpenTrialsStorage(JournalStorage):
    """Journal storage whose `get_all_trials` updates only the trials that were open at its last call.

    Optuna's own goes through all trials several times per trial, which takes milliseconds once there are thousands.
    """

    def __init__(self, log_storage: BaseJournalBackend) -> None:
        self._listings: dict[int, _Listing] = {}
        super().__init__(log_storage)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        with self._thread_lock:
            self._sync_with_backend()
            listing = self._up_to_date(study_id)
            if states is None:
                found = list(listing.trials)
            elif any(state in states for state in TrialState if state.is_finished()):
                found = [t for t in listing.trials if t.state in states]
            else:
                found = [t for t in map(listing.trials.__getitem__, listing.open) if t.state in states]
            return copy.deepcopy(found) if deepcopy else found

    def _up_to_date(self, study_id: int) -> _Listing:
        known = self._replay_result
        known.get_study(study_id)  # raises KeyError if there is none
        ids = known._study_id_to_trial_ids[study_id]
        listing = self._listings.setdefault(study_id, _Listing())
        listing.open += range(len(listing.trials), len(ids))
        listing.trials += [known._trials[i] for i in ids[len(listing.trials) :]]
        for place in listing.open:
            listing.trials[place] = known._trials[ids[place]]
        listing.open = [place for place in listing.open if not listing.trials[place].state.is_finished()]
        return listing
