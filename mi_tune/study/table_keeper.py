"""Keep the table of trials on disk nearly up to date with the journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ray import tune

from mi_tune.study.folder import StudyFolder
from mi_tune.study.journal import StudyJournal

LEAST_SECONDS = 1.0
MOST_SHARE = 0.1


class TableKeeper(tune.Callback):
    """Writes the whole table, at most once in LEAST_SECONDS and for at most MOST_SHARE of the time.

    A large table takes a while to write, and the driver has to answer its workers. A delayed result is already in the
    journal. It is written as soon as it is due, even if no other trial ends, because Ray keeps calling `on_step_end`.
    Call `write` at the end of the study.

    Args:
        study: folder to write to.
        journal: source of the table.
        clock: monotonic time in seconds.
    """

    def __init__(self, study: StudyFolder, journal: StudyJournal, clock: Callable[[], float] = time.monotonic) -> None:
        self.study, self.journal, self.clock = study, journal, clock
        self.stale = False
        self.due = clock()

    def __getstate__(self) -> dict:
        return {}  # Ray pickles callbacks, but this one is never restored

    def mark_stale(self) -> None:
        """Note that the journal is newer than the table, and write the table if it is due."""
        self.stale = True
        self.write_if_due()

    def write_if_due(self) -> None:
        if self.stale and self.clock() >= self.due:
            self.write()

    def write(self) -> None:
        begun = time.perf_counter()
        self.study.write_table(self.journal.table())
        self.stale = False
        self.due = self.clock() + max(LEAST_SECONDS, (time.perf_counter() - begun) / MOST_SHARE)

    def on_step_end(self, iteration: int, trials: list, **info: Any) -> None:
        self.write_if_due()
