"""What a person sees while a study runs."""

from __future__ import annotations

import time
from typing import Any

from ray import tune
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from mi_tune.erasing import ErasingLaw
from mi_tune.study.front import front_mask, hypervolume
from mi_tune.study.journal import StudyJournal
from mi_tune.study.table import law_of
from mi_tune.study.wording import describe, duration


class StudyProgress(tune.Callback):
    """Live display on a terminal; one line per finished trial elsewhere.

    Args:
        journal: told before this is called; the table of trials is read from it.
        workers: trials at a time. trial_seconds: estimate until trials have finished.
    """

    def __init__(self, journal: StudyJournal, console: Console, workers: int, trial_seconds: float) -> None:
        self.journal, self.console, self.workers = journal, console, workers
        self.trial_seconds = trial_seconds
        self.begun = time.monotonic()
        self.running: dict[int, dict[str, Any]] = {}
        self.last = ""
        self.bar = Progress(
            TextColumn("[bold]trials"), BarColumn(40), MofNCompleteColumn(), TextColumn("{task.fields[time]}")
        )
        self.task = self.bar.add_task("trials", total=journal.search.trials, time="")
        self.live = Live(
            console=console,
            get_renderable=self._render,
            refresh_per_second=4,
            transient=True,
            redirect_stderr=False,
        )
        self.summary = ""

    def __getstate__(self) -> dict:
        return {}  # Ray pickles its callbacks; this one is never restored

    def __enter__(self) -> StudyProgress:
        self._summarise()
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def on_trial_start(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        config = trial.config
        law = config["reference"] or describe(ErasingLaw.from_dict(config["law"]))
        self.running[config["trial"]] = {"law": law, "phase": "starting", "since": time.monotonic()}

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **info: Any) -> None:
        row = self.running.get(trial.config["trial"])
        if row is not None and result.get("state") == "running":
            row.update(phase=result["phase"], epoch=result["epoch"], natural=result["natural_accuracy"])

    def told(self, number: int, state: str) -> None:
        """A trial has ended and the journal knows."""
        self.running.pop(number, None)
        table = self.journal.table()
        row = table[table.trial == number].iloc[0]
        law = row.reference or describe(law_of(row))
        text = f"trial {number:3d}  {state:10s}  "
        if state == "complete":
            text += (
                f"natural {row.natural_accuracy:.3f}  attack {row.attack_accuracy:.3f} (judge {row.judge_accuracy:.2f})"
            )
            text += f"  {row.seconds:5.1f} s  {law}"
        elif state == "infeasible":
            text += f"natural {row.natural_accuracy:.3f}  below the floor             {row.seconds:5.1f} s  {law}"
        else:
            text += f"{row.reason}  {law}"
        done = table[table.seconds.notna()]
        if len(done):
            self.trial_seconds = float(done.seconds.mean())
        self._summarise(table)
        if not self.console.is_terminal:
            text += f"  [{self.summary}]"
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _summarise(self, table: Any = None) -> None:
        table = self.journal.table() if table is None else table
        complete = table[table.state == "complete"]
        finished = int((table.state != "running").sum())
        natural, attack = complete.natural_accuracy.to_numpy(float), complete.attack_accuracy.to_numpy(float)
        size = int(front_mask(natural, attack).sum()) if len(complete) else 0
        volume = hypervolume(natural, attack) if len(complete) else 0.0
        left = max(self.journal.search.trials - finished, 0)
        seconds = -(-left // self.workers) * (self.trial_seconds + 1)
        self.summary = f"{finished}/{self.journal.search.trials} done, front {size}, hypervolume {volume:.3f}"
        if left:
            self.summary += f", about {duration(seconds)} left"
        self.bar.update(
            self.task,
            completed=finished,
            total=self.journal.search.trials,
            time=f"front {size} laws   hypervolume {volume:.3f}   about {duration(seconds)} left",
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
        if not self.running:
            return Group(self.bar, Text("starting workers", style="dim"))
        return Group(self.bar, table)
