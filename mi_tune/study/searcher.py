"""The wall between Ray Tune and the journal: Ray asks for configurations and brings results back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ray.tune.search import Searcher

from mi_tune.study.journal import Asked, StudyJournal


class ParetoSearch(Searcher):
    """Hands the journal's trials to Ray Tune and its results to the journal.

    Metric and mode are left unset on Ray's side: Ray would turn two objectives into one, and stop the study at the
    first report that lacks one of them.

    Args:
        journal: asked and told here, in the driver alone.
        checkpoint_of: latest checkpoint folder of a trial that an earlier run left open, or None.
        on_told: called with (number, state) after a trial was told.
        stopped: why a scheduler ended trials, by number; others that end while they run are left open.
        room: trials that there is room for now. None is suggested beyond it: it would know nothing of those that end
            while it waits.
    """

    def __init__(
        self,
        journal: StudyJournal,
        checkpoint_of: Callable[[int], Path | None] = lambda number: None,
        on_told: Callable[[int, str], None] = lambda number, state: None,
        stopped: Mapping[int, str] | None = None,
        room: Callable[[], int] | None = None,
    ) -> None:
        super().__init__()
        self.room = room
        self.journal, self.checkpoint_of, self.on_told = journal, checkpoint_of, on_told
        self.stopped = {} if stopped is None else stopped
        self.numbers: dict[str, int] = {}

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict, **spec: object) -> bool:
        return metric is None and mode is None and not config

    def suggest(self, trial_id: str) -> dict | str | None:
        if self.room is not None and len(self.numbers) >= self.room():
            return None
        asked = self.journal.ask()
        if asked is None:
            return Searcher.FINISHED
        self.numbers[trial_id] = asked.number
        return self._config(asked)

    def _config(self, asked: Asked) -> dict:
        checkpoint = self.checkpoint_of(asked.number) if asked.again else None
        return {
            "trial": asked.number,
            "law": asked.law.to_dict(),
            "reference": asked.reference,
            "floor": asked.floor,
            "repeat": asked.repeat,
            "resume_from": str(checkpoint) if checkpoint else None,
        }

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        number = self.numbers.pop(trial_id, None)
        if number is None:
            return
        state = (result or {}).get("state", "running")
        if error:
            self.on_told(number, self.journal.tell(number, "failed", {"reason": "its worker was lost again and again"}))
        elif state != "running":
            # Ray flattens nested results on their way here
            record = {k.removeprefix("record/"): v for k, v in result.items() if k.startswith("record/")}
            self.on_told(number, self.journal.tell(number, state, record))
        elif number in self.stopped:
            reached = {name: result[name] for name in ("rungs", "seconds") if result and name in result}
            self.on_told(number, self.journal.tell(number, "stopped", {"reason": self.stopped[number], **reached}))
        # else: stopped by the time budget or the user; it stays open in the journal, for --resume

    # Ray pickles and saves a searcher to restore it; the journal already remembers everything, and a resumed study
    # starts Ray anew
    def __getstate__(self) -> dict:
        return {}

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_text("the journal is the state\n")

    def restore(self, checkpoint_path: str) -> None:
        pass
