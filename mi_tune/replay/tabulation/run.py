"""Make or extend a table of real trials: Ray's workers train and measure every law of the design."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from mi_tune.replay import tables
from mi_tune.replay.tabulation.about import description, trials_per_class
from mi_tune.replay.tabulation.cells import TrialBench
from mi_tune.replay.tabulation.design import DesignLaw, design
from mi_tune.replay.tabulation.rows import trial_rows, write_table
from mi_tune.replay.tabulation.trial import RUNG_FRACTIONS, rungs
from mi_tune.runtime.device import pick_device
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import duration
from mi_tune.setup import Setup
from mi_tune.study.cluster import connect
from mi_tune.study.fleet import run_jobs
from mi_tune.study.folder import only_writer
from mi_tune.study.job_progress import JobProgress
from mi_tune.trial.assets import StudyData, check_names, load_data
from mi_tune.trial.estimate import measure_speed

TRIALS_PER_LINE = 20
"""Without a terminal, a line of progress is printed after this many trials."""


@dataclass(frozen=True)
class TabulateOptions:
    """How to make a table.

    Args:
        laws: size of the design. seeds: targets of every law. minutes: after which no trial is started, or None.
        package: whether the complete laws are also written into the package.
        address, gpus_per_trial, workers: see `connect`.
    """

    laws: int
    seeds: int = 2
    minutes: float | None = None
    package: bool = False
    address: str | None = None
    gpus_per_trial: float | None = None
    workers: int | None = None


@dataclass(frozen=True)
class TableProgress:
    """How many laws have all their trials, and how many laws were asked for."""

    complete: int
    laws: int

    @property
    def finished(self) -> bool:
        return self.complete == self.laws


@dataclass(frozen=True)
class _Job:
    """One trial to run: a law of the design with one seed."""

    law: DesignLaw
    seed: int


@dataclass(frozen=True)
class _Work:
    """What is sent to the workers."""

    setup: Setup
    data: StudyData
    seed: int
    cells: Path

    def bench(self, device: torch.device) -> TrialBench:
        return TrialBench(self.setup, self.data, self.seed, self.cells, device)


def tabulate(setup: Setup, seed: int, folder: Path, options: TabulateOptions, console: Console) -> TableProgress:
    """Run the missing trials of the table in a folder, and write the table, also when interrupted.

    Raises:
        InputError: invalid input, before any compute; or another run writes to the folder.
    """
    until = time.time() + 60 * options.minutes if options.minutes is not None else None
    check_names(setup)
    laws = design(setup.search.space, options.laws, seed)
    data = load_data(setup, seed)
    folder = folder.absolute()
    with only_writer(folder):
        work = _Work(setup, data, seed, folder / "cells")
        bench = work.bench(pick_device())
        with console.status("making judge and prior, or finding them in the cache"):
            bench.tools  # noqa: B018  once, before every worker needs it
        jobs = [_Job(law, number) for law in laws for number in range(options.seeds)]
        missing = [job for job in jobs if bench.finished(job.law.law, job.seed) is None]
        console.print(f"{len(laws)} laws x {options.seeds} seeds, {len(missing)} trials to do", highlight=False)
        try:
            if missing:
                _run_jobs(missing, work, bench, until, folder, options, console)
        finally:
            outcome = _gather(bench, laws, jobs, folder, options, console)
        return outcome


# ------------------------------------------------------------------------------------------------------------- jobs


def _run_jobs(
    jobs: Sequence[_Job],
    work: _Work,
    bench: TrialBench,
    until: float | None,
    folder: Path,
    options: TabulateOptions,
    console: Console,
) -> None:
    """Run the jobs and show their progress."""
    expected = _trial_seconds(bench)
    progress = JobProgress(
        jobs, "trials", console, lambda job: f"law {job.law.number}, seed {job.seed}", every=TRIALS_PER_LINE
    )
    with connect(options.address, options.gpus_per_trial, options.workers, folder / "ray" / "ray.log") as resources:
        console.print(resources.where, highlight=False, soft_wrap=True)
        console.print(
            f"{resources.workers} at a time, about {duration(expected)} each: "
            f"about [bold]{duration(expected * len(jobs) / resources.workers)}[/]",
            highlight=False,
        )
        with progress:
            run_jobs(jobs, work.bench, partial(_run_job, until=until), resources, folder / "ray", progress.ended)


def _run_job(bench: TrialBench, job: _Job, until: float | None) -> dict[str, Any]:
    """Run one job in a worker, unless time is up; `outcome` is the result in a few words for the progress lines."""
    if until is not None and time.time() >= until:
        return {"skipped": True}
    found = bench.trial(job.law.law, job.seed)
    if found["reason"]:
        return {"outcome": found["reason"]}
    last = trial_rows(job.law, job.seed, found, rungs(bench.setup.target.epochs), trials_per_class(bench))[-1]
    return {"outcome": f"natural {last['natural_accuracy']:.3f}, attack {last['attack_accuracy']:.3f}"}


def _trial_seconds(bench: TrialBench) -> float:
    """Expected seconds of one trial on one worker."""
    setup, data, tools = bench.setup, bench.data, bench.tools
    speed = measure_speed(setup, data, bench.device)
    people, samples, public = data.private.identities, setup.prior.samples, len(data.public)
    cheap, attack = (speed.of(a.passes(people, samples, public)) for a in (tools.cheap, tools.attack))
    training = setup.target.epochs * len(data.split.train) * speed.train_image
    return training + len(RUNG_FRACTIONS) * (len(data.split.val) * speed.forward + cheap) + attack


# ------------------------------------------------------------------------------------------------------------ table


def _gather(
    bench: TrialBench,
    laws: Sequence[DesignLaw],
    jobs: Sequence[_Job],
    folder: Path,
    options: TabulateOptions,
    console: Console,
) -> TableProgress:
    """Write the finished trials into the table and, if asked for, the complete laws into the package."""
    epochs, trials = rungs(bench.setup.target.epochs), trials_per_class(bench)
    rows: list[dict[str, Any]] = []
    trained: Counter[int] = Counter()
    for job in jobs:
        if (found := bench.finished(job.law.law, job.seed)) is not None:
            rows += trial_rows(job.law, job.seed, found, epochs, trials)
            trained[job.law.number] += 1
    whole = {number for number, seeds in trained.items() if seeds == options.seeds}
    if rows:
        about = description(bench, laws, options.seeds, len(whole), rows)
        write_table(rows, about, folder / "table")
        console.print(f"table: {folder / 'table.parquet'}", highlight=False, markup=False, soft_wrap=True)
    if options.package:
        if not whole:
            raise InputError(f"{folder}: no law is complete yet; nothing was written into the package")
        kept = [row for row in rows if row["law"] in whole]
        stem = tables.FOLDER / bench.setup.name
        write_table(kept, description(bench, laws, options.seeds, len(whole), kept), stem)
        console.print(f"in the package: {stem}.parquet", highlight=False, markup=False, soft_wrap=True)
    return TableProgress(len(whole), len(laws))
