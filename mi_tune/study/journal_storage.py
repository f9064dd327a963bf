"""Optuna's journal storage for studies of many trials: finished trials are not visited again."""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

from mi_tune.search.optuna_private import replayed_trials


@dataclass
class _Listing:
    """A study's trials as last read, and the indices of those that were not finished then."""

    trials: list[FrozenTrial] = field(default_factory=list)
    open: list[int] = field(default_factory=list)

    def update(self, ids: Sequence[int], known: Mapping[int, FrozenTrial]) -> None:
        """Read new trials and those that were open, given all by the identifiers `ids` of this study."""
        self.open += range(len(self.trials), len(ids))
        self.trials += [known[i] for i in ids[len(self.trials) :]]
        for place in self.open:
            self.trials[place] = known[ids[place]]
        self.open = [place for place in self.open if not self.trials[place].state.is_finished()]


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
        with replayed_trials(self, study_id) as (ids, known):
            listing = self._listings.setdefault(study_id, _Listing())
            listing.update(ids, known)
            if states is None:
                found = list(listing.trials)
            elif any(state in states for state in TrialState if state.is_finished()):
                found = [t for t in listing.trials if t.state in states]
            else:
                found = [t for t in map(listing.trials.__getitem__, listing.open) if t.state in states]
            return copy.deepcopy(found) if deepcopy else found
