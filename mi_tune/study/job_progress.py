"""The progress display of a list of jobs: a bar with the time left, a line per job where there is no terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from mi_tune.runtime.notebook import NotebookConsole, Place
from mi_tune.runtime.wording import duration

Job = TypeVar("Job")


def counting_bar(title: str, console: Console | None = None) -> Progress:
    """A bar that counts what has ended, with the task's field `note` beside it. It disappears when it stops."""
    columns = (TextColumn(f"[bold]{title}"), BarColumn(40), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    return Progress(*columns, console=console, transient=True)


class JobProgress(Generic[Job]):
    """Shows jobs as they end. It is a context; `ended` is made for `run_jobs`.

    Args:
        jobs: all of them. title: of the bar. name: what a line calls a job.
        cost: expected seconds of a job, or anything proportional to them; 0 if unknown. The time left is estimated from
            the share of the whole cost that has ended.
        every: without a terminal, a line is printed after this many jobs. If more than one, the line begins with the
            count, and a fault that many jobs share is printed once.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        title: str,
        console: Console,
        name: Callable[[Job], str],
        cost: Callable[[Job], float] = lambda job: 1.0,
        every: int = 1,
    ) -> None:
        self.title, self.console, self.name, self.cost, self.every = title, console, name, cost, every
        self.jobs, self.total = len(jobs), sum(map(cost, jobs))
        self.count, self.spent = 0, 0.0
        self.faults: Counter[str] = Counter()
        self.bar = counting_bar(title, console)
        self.task = self.bar.add_task(title, total=self.jobs, note="")
        self.place = Place(lambda: self.bar) if isinstance(console, NotebookConsole) else None
        self.begun = time.monotonic()

    def __enter__(self) -> JobProgress[Job]:
        self.begun = time.monotonic()
        if self.place is not None:
            self.place.__enter__()
        else:
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.place is not None:
            self.place.update(now=True)
        else:
            self.bar.stop()

    def ended(self, job: Job, result: Mapping[str, Any]) -> None:
        """Show a job that has ended.

        Args:
            result: `reason` why it failed, or ""; else perhaps its `outcome` in a few words. A job that was `skipped`
                is not shown.
        """
        if result.get("skipped"):
            return
        self.count += 1
        self.spent += self.cost(job)
        left = self._time_left()
        self.bar.update(self.task, advance=1, note=left)
        if self.place is not None:
            self.place.update()
        if reason := result["reason"]:
            self.faults[reason] += 1
            if self.every == 1 or self.faults[reason] == 1:
                text = f"{self.name(job)}: failed: {reason}"
                self.console.print(text, style="red", highlight=False, markup=False)
        elif self.place is None and not self.console.is_terminal and result.get("outcome"):
            text = f"{self.name(job)}: {result['outcome']}" + f"  [{left}]" * bool(left)
            if self.every == 1:
                self._line(text)
            elif self.count % self.every == 0 or self.count == self.jobs:
                self._line(f"{self.count}/{self.jobs} {self.title}; {text}")

    def _time_left(self) -> str:
        if not self.spent:  # jobs without a known cost give no estimate
            return ""
        return f"about {duration((time.monotonic() - self.begun) * (self.total / self.spent - 1))} left"

    def _line(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)
