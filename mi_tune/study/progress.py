"""The progress display of a running study."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from ray import tune
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mi_tune.defences.columns import described, treatment_columns
from mi_tune.runtime.notebook import NotebookConsole, Place
from mi_tune.runtime.wording import counted, duration
from mi_tune.search.front import front_mask, hypervolume
from mi_tune.search.state import State
from mi_tune.study.job_progress import counting_bar
from mi_tune.study.journal import OBJECTIVES, StudyJournal


class StudyProgress(tune.Callback):
    """Live display on a terminal, or in one place below a notebook's cell; elsewhere one line per trial that ends.

    Args:
        journal: rows of trials are read from it; a result must be stored there before `trial_ended` is called.
        console: to print on.
        capacity: returns how many trials run at a time now.
        trial_seconds: estimated duration of a trial, used until trials have ended.
    """

    def __init__(
        self, journal: StudyJournal, console: Console, capacity: Callable[[], int], trial_seconds: float
    ) -> None:
        self.journal, self.console, self.capacity = journal, console, capacity
        self.trial_seconds = trial_seconds
        self.begun = time.monotonic()
        self.running: dict[int, dict[str, Any]] = {}
        self.last = ""
        self.bar = counting_bar("trials")
        self.task = self.bar.add_task("trials", total=journal.search.trials, note="")
        self.live = Live(
            console=console,
            get_renderable=self._render,
            refresh_per_second=4,
            transient=True,
            redirect_stderr=False,
        )
        self.place = Place(self._render) if isinstance(console, NotebookConsole) else None
        self.summary = ""
        self._recount()

    def __getstate__(self) -> dict:
        return {}  # Ray pickles callbacks, but this one is never restored

    def __enter__(self) -> StudyProgress:
        self._summarise()
        if self.console.is_terminal:
            self.live.start()
        if self.place is not None:
            self.place.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self.console.is_terminal:
            self.live.stop()
        if self.place is not None:
            self.running.clear()
            self.place.update(now=True)

    def on_step_end(self, iteration: int, trials: list, **info: Any) -> None:
        if self.place is not None:
            self.place.update()

    def on_trial_start(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        config = trial.config
        law = config["reference"] or described(treatment_columns(config["law"], config.get("defences", "")))
        self.running[config["trial"]] = {"law": law, "phase": "starting", "since": time.monotonic()}

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **info: Any) -> None:
        row = self.running.get(trial.config["trial"])
        if row is not None and result.get("state") == State.RUNNING:
            row.update(phase=result["phase"], epoch=result["epoch"], natural=result["natural_accuracy"])

    def trial_ended(self, number: int, state: str) -> None:
        """Show a trial whose result is in the journal."""
        self.running.pop(number, None)
        row = self.journal.row(number)
        value = {name: _number(row.get(name)) for name in (*OBJECTIVES, "judge_accuracy", "seconds")}
        natural, attack, judge, seconds = value.values()
        law = row["reference"] or described(row)
        recognised = _number(row.get("recognised"))
        outside = "" if math.isnan(recognised) else f", {row['recogniser']} {recognised:.3f}"
        text = f"trial {number:3d}  {state:10s}  "
        if state == State.COMPLETE:
            text += f"natural {natural:.3f}  attack {attack:.3f} (judge {judge:.2f}{outside})  {seconds:5.1f} s  {law}"
        elif state == State.INFEASIBLE:
            text += f"natural {natural:.3f}  below the floor             {seconds:5.1f} s  {law}"
        else:
            text += f"{row.get('reason', '')}  {law}"
        if self.journal.floor() != self.floor:
            # trials that ended before the floor was known may have become infeasible
            self._recount()
        else:
            self.finished += 1
            self._count([[natural, attack]] if state == State.COMPLETE else [], [seconds])
        self._summarise()
        if self.place is not None:
            self.last = text
            return
        if not self.console.is_terminal:
            text += f"  [{self.summary}]"
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _recount(self) -> None:
        table = self.journal.table()
        self.floor = self.journal.floor()
        self.finished = int((table.state != State.RUNNING).sum())
        self.front, self.seconds, self.timed = np.empty((0, 2)), 0.0, 0
        self._count(table.loc[table.state == State.COMPLETE, OBJECTIVES], table.seconds)

    def _count(self, complete: ArrayLike, seconds: ArrayLike) -> None:
        """Add the accuracies (n, 2) of complete trials to the front, and durations in seconds to their mean."""
        front = np.concatenate([self.front, np.asarray(complete, float).reshape(-1, 2)])
        self.front = front[front_mask(*front.T)]
        known = np.asarray(seconds, float)[np.isfinite(np.asarray(seconds, float))]
        self.seconds, self.timed = self.seconds + known.sum(), self.timed + len(known)
        if self.timed:
            self.trial_seconds = self.seconds / self.timed

    def _summarise(self) -> None:
        finished, size, volume = self.finished, len(self.front), hypervolume(*self.front.T)
        left = max(self.journal.search.trials - finished, 0)
        seconds = -(-left // self.capacity()) * (self.trial_seconds + 1)
        done = f"{finished}/{self.journal.search.trials} done"
        self.summary = f"{done}, {counted(size, 'law')} on the front, hypervolume {volume:.3f}"
        if left:
            self.summary += f", about {duration(seconds)} left"
        self.bar.update(
            self.task,
            completed=finished,
            total=self.journal.search.trials,
            note=f"{counted(size, 'law')} on the front   hypervolume {volume:.3f}   about {duration(seconds)} left",
        )

    def _render(self) -> Group:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for column in ("running", "phase", "epoch", "natural", "law"):
            table.add_column(column)
        for number, row in sorted(list(self.running.items())[:12]):
            natural = f"{row['natural']:.3f}" if "natural" in row else ""
            table.add_row(str(number), row["phase"], str(row.get("epoch", "")), natural, row["law"])
        if len(self.running) > 12:
            table.add_row(f"and {len(self.running) - 12} more", "", "", "", "")
        last = [Text(self.last)] if self.last else []
        if not self.running:
            return Group(self.bar, *(last or [Text("starting workers", style="dim")]))
        return Group(self.bar, table, *last)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
