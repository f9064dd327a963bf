"""What is printed while jobs run."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from mi_tune.study import job_progress
from mi_tune.study.job_progress import JobProgress

DONE = {"reason": "", "outcome": "well"}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(job_progress, "time", clock)
    return clock


def shown(jobs, results, clock: Clock, terminal: bool = False, **options) -> list[str]:
    """The lines that are printed if every job takes 60 seconds."""
    file = io.StringIO()
    console = Console(file=file, width=200, force_terminal=terminal, color_system=None)
    with JobProgress(jobs, "trials", console, lambda job: f"job {job}", **options) as progress:
        if terminal:
            progress.bar.stop()
        for job, result in zip(jobs, results, strict=True):
            clock.now += 60
            progress.ended(job, result)
    plain = re.sub(r"\x1b\[[?\d]*[A-Za-z]|\r", "", file.getvalue())
    return [line for line in plain.splitlines() if "job" in line]


def test_without_a_terminal_every_job_is_a_line_with_the_time_left(clock: Clock):
    assert shown([1, 2, 3], [DONE] * 3, clock) == [
        "job 1: well  [about 2 min left]",
        "job 2: well  [about 60 s left]",
        "job 3: well  [about 0 s left]",
    ]


def test_the_time_left_follows_the_cost_of_jobs_and_is_not_guessed_without_one(clock: Clock):
    lines = shown([0, 1, 3], [DONE] * 3, clock, cost=float)
    assert lines[0] == "job 0: well"
    assert lines[1] == "job 1: well  [about 6 min left]"


def test_failures_are_said_and_what_says_nothing_or_was_skipped_is_not(clock: Clock):
    failed = {"reason": "no memory"}
    results = [failed, failed, {"reason": ""}, {"reason": "", "skipped": True}]
    said = ["job 1: failed: no memory", "job 2: failed: no memory"]
    assert shown([1, 2, 3, 4], results, clock) == said
    assert shown([1, 2], [failed, failed], clock, terminal=True) == said


def test_many_jobs_are_a_line_in_so_many_and_a_shared_fault_is_said_once(clock: Clock):
    failed = {"reason": "no memory"}
    lines = shown(range(5), [DONE, failed, DONE, failed, DONE], clock, every=3)
    assert lines == [
        "job 1: failed: no memory",
        "3/5 trials; job 2: well  [about 2 min left]",
        "5/5 trials; job 4: well  [about 0 s left]",
    ]


def test_on_a_terminal_only_failures_are_lines(clock: Clock):
    assert shown([1, 2], [DONE, DONE], clock, terminal=True) == []
