"""Connects Ray Tune to the journal: Ray asks for configurations here and returns results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ray.tune.search import Searcher

from mi_tune.search.state import State
from mi_tune.study.journal import Asked, StudyJournal
from mi_tune.study.trainable import SHARED_FAILURE


class ParetoSearch(Searcher):
    """Ray Tune searcher that takes trials from the journal and stores their results in it.

    Ray's own metric and mode stay unset: Ray would reduce two objectives to one, and stop the study at the first
    report that lacks one of them.

    Args:
        journal: used in the driver process only.
        on_ended: called with (number, state) after a trial's result was stored.
        stopped: why the scheduler stopped trials, by number. Any other trial that ends while it runs is left open.
        capacity: returns how many trials fit on the cluster now. No more are suggested: a trial that waits for a
            worker would be chosen without the results that arrive while it waits.
        ending: whether the study is about to end, so that no trial is suggested any more.
    """

    def __init__(
        self,
        journal: StudyJournal,
        on_ended: Callable[[int, str], None] = lambda number, state: None,
        stopped: Mapping[int, str] | None = None,
        capacity: Callable[[], int] | None = None,
        ending: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__()
        self.capacity, self.ending = capacity, ending
        self.journal, self.on_ended = journal, on_ended
        self.lost: dict[str, str] = {}
        """Why the worker of a trial was lost last, by Ray's name of the trial."""
        self.stopped = {} if stopped is None else stopped
        self.numbers: dict[str, int] = {}
        self.shared_failure = ""
        """Why what all trials share could not be made; then no trial is suggested any more."""

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict, **spec: object) -> bool:
        return metric is None and mode is None and not config

    def suggest(self, trial_id: str) -> dict | None:
        if self.ending():
            return None
        if self.capacity is not None and len(self.numbers) >= self.capacity():
            return None
        asked = None if self.shared_failure else self.journal.ask()
        if asked is None:
            return Searcher.FINISHED  # type: ignore[return-value]  # Ray declares a dict and expects this text
        self.numbers[trial_id] = asked.number
        return self._config(asked)

    def _config(self, asked: Asked) -> dict:
        return {
            "trial": asked.number,
            "law": asked.law.to_dict(),
            "defences": asked.defences,
            "reference": asked.reference,
            "floor": asked.floor,
            "repeat": asked.repeat,
        }

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        number = self.numbers.pop(trial_id, None)
        if number is None:
            return
        state = (result or {}).get("state", State.RUNNING)
        if result and SHARED_FAILURE in result:
            self.shared_failure = result[SHARED_FAILURE]  # the trial stays open in the journal, for --resume
        elif error:
            reason = f"its worker was lost three times{self.lost.pop(trial_id, '')}"
            self.on_ended(number, self.journal.tell(number, State.FAILED, {"reason": reason}))
        elif state != State.RUNNING:
            # Ray flattens nested results before it passes them on
            record = {k.removeprefix("record/"): v for k, v in (result or {}).items() if k.startswith("record/")}
            self.on_ended(number, self.journal.tell(number, state, record))
        elif number in self.stopped:
            reached = {name: result[name] for name in ("rungs", "seconds") if result and name in result}
            self.on_ended(number, self.journal.tell(number, State.STOPPED, {"reason": self.stopped[number], **reached}))
        # else: ended by the time budget or the user; it stays open in the journal, for --resume

    # Ray pickles and saves a searcher in order to restore it. There is nothing to save: the journal has everything, and
    # a resumed study starts Ray anew
    def __getstate__(self) -> dict:
        return {}

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_text("the journal is the state\n")

    def restore(self, checkpoint_path: str) -> None:
        pass
