"""Where each trial of a study is stored, so that no call has to go through all trials."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import optuna

from mi_tune.search.samplers import REFERENCE
from mi_tune.trial.point import UNDEFENDED

Place = tuple[optuna.Study, int]
"""The Optuna study that holds a trial, and the trial's identifier in the storage."""


class TrialIndex:
    """Trials by their number in the study, and by the law that they repeat."""

    def __init__(self) -> None:
        self.handed_out: dict[int, Place] = {}
        self.undefended: Place | None = None
        self.next_number = 0
        self._runs: defaultdict[int, set[int]] = defaultdict(set)

    def note(self, place: Place, attributes: dict[str, Any]) -> None:
        """Take in a trial, or what became known of it since."""
        if "trial" in attributes:
            self.handed_out[attributes["trial"]] = place
            self.next_number = max(self.next_number, attributes["trial"] + 1)
        if "repeat_of" in attributes:
            self._runs[attributes["repeat_of"]].add(place[1])
        if attributes.get(REFERENCE) == UNDEFENDED and self.undefended is None:
            self.undefended = place

    def repeats_of(self, number: int) -> int:
        """How many trials repeat the law of trial `number`."""
        return len(self._runs[number])
