"""Ends a search in order when a signal asks for it: running trials keep their progress first."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ray import tune

from mi_tune.runtime.signals import Ending
from mi_tune.study.alive import Watch
from mi_tune.study.shared_folder import SharedFolder, ask_to_end

KEPT = "kept"
"""Key of a result whose trial has kept its progress because the study is about to end."""
RAY_LEAVES_TO_US = ("TUNE_DISABLE_SIGINT_HANDLER", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS")
"""Variables by which Ray Tune does not handle signals, and writes no log of its own for every trial."""
PATIENCE_SECONDS = 8.0
"""How long trials may take to keep their progress. What a trial kept before is not older than that."""


class EndInOrder(tune.Callback):
    """Raises Ended once every running trial has kept its progress, or after PATIENCE_SECONDS; and LostClusterError as
    soon as the cluster is lost.

    Args:
        asked: the signals that have arrived.
        watch: of the cluster, or None.
        place: tells the workers; None if what they do leaves nothing to keep.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        asked: Ending,
        watch: Watch | None = None,
        place: SharedFolder | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.asked, self.watch, self.place, self.clock = asked, watch, place, clock
        self.running: set[str] = set()
        self.since: float | None = None

    def __getstate__(self) -> dict:
        return {}  # Ray pickles callbacks, but this one is never restored

    @property
    def ending(self) -> bool:
        """Whether no trial is to be started any more."""
        return bool(self.asked.number)

    def on_step_begin(self, iteration: int, trials: list, **info: Any) -> None:
        if self.watch is not None:
            self.watch.raise_if_lost()
        if not self.asked.number:
            return
        if self.place is None:
            self.asked.raise_if_asked()
        elif self.since is None:
            self.since = self.clock()
            try:
                ask_to_end(self.place)
            except OSError:  # the folder is gone: nothing can be kept there
                self.running.clear()
        if not self.running or self.clock() - (self.since or 0) > PATIENCE_SECONDS:
            self.asked.raise_if_asked()

    def on_trial_start(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self.running.add(trial.trial_id)

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **info: Any) -> None:
        if result.get(KEPT):
            self.running.discard(trial.trial_id)

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self.running.discard(trial.trial_id)

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self.running.discard(trial.trial_id)

    def on_trial_recover(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self.running.discard(trial.trial_id)
