"""Optuna's journal storage for studies of many trials: what is finished is not looked at again and again."""

from __future__ import annotations

import copy
from collections.abc import Container
from dataclasses import dataclass, field

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState


@dataclass
class _Listing:
    """A study's trials as they were last seen, and the places of those that were not finished then."""

    trials: list[FrozenTrial] = field(default_factory=list)
    open: list[int] = field(default_factory=list)


class OpenTrialsStorage(JournalStorage):
    """Asked for a study's trials, it looks only at those that were open when it was last asked.

    Optuna goes through all of them, and does so several times for each trial: milliseconds, once there are thousands.
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
        known.get_study(study_id)  # says so if there is none
        ids = known._study_id_to_trial_ids[study_id]
        listing = self._listings.setdefault(study_id, _Listing())
        listing.open += range(len(listing.trials), len(ids))
        listing.trials += [known._trials[i] for i in ids[len(listing.trials) :]]
        for place in listing.open:
            listing.trials[place] = known._trials[ids[place]]
        listing.open = [place for place in listing.open if not listing.trials[place].state.is_finished()]
        return listing
