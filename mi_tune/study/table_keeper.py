"""The table of trials on disk, about as new as the journal."""

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
    """Writes the whole table, but no more often than every LEAST_SECONDS, nor for more than MOST_SHARE of the time.

    A large table takes a while to write, and the driver has to answer its workers. What a delay leaves out is in the
    journal, and is written as soon as it is due, whether or not another trial ends: Ray calls `on_step_end` all the
    time. Call `write` when all is over.

    Args:
        clock: seconds that go on.
    """

    def __init__(self, study: StudyFolder, journal: StudyJournal, clock: Callable[[], float] = time.monotonic) -> None:
        self.study, self.journal, self.clock = study, journal, clock
        self.stale = False
        self.due = clock()

    def __getstate__(self) -> dict:
        return {}  # Ray pickles its callbacks; this one is never restored

    def told(self) -> None:
        """The journal knows more than the table."""
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
