"""Run the jobs of a confirmation, or of another comparison of treatments; show progress and estimate the time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mi_tune.study.cluster import Resources  # before anything that imports Ray  # isort: skip

import torch
from rich.console import Console

from mi_tune.confirmation.cells import Workbench
from mi_tune.confirmation.plan import Job, attempt_of
from mi_tune.confirmation.tables import Tables
from mi_tune.runtime.cache import save_atomically
from mi_tune.setup import Setup
from mi_tune.study.fleet import run_jobs
from mi_tune.study.job_progress import JobProgress
from mi_tune.trial.assets import StudyData
from mi_tune.trial.estimate import Speed

FEATURE_SECONDS = 0.2
"""Seconds per person of a comparison in feature space: 0.07 with 3 training images per person, 0.3 with 18."""


@dataclass(frozen=True)
class CellWork:
    """What the workers need to compute cells. It is sent to each of them."""

    setup: Setup
    data: StudyData
    seed: int
    cells: Path

    def bench(self, device: torch.device) -> Workbench:
        return Workbench(self.setup, self.data, self.seed, self.cells, device)


def do_jobs(
    jobs: Sequence[Job],
    work: CellWork,
    resources: Resources,
    folder: Path,
    cost: JobCost,
    title: str,
    console: Console,
) -> None:
    """Run the jobs and show their progress."""
    progress = JobProgress(jobs, title, console, lambda job: job.title, lambda job: cost.of([job]))
    with progress:
        run_jobs(jobs, work.bench, work_on, resources, folder / "ray", progress.ended)


def work_on(bench: Workbench, job: Job) -> dict[str, Any]:
    """Do one job in a worker. Returns its `outcome` in a few words, or only the `reason` why an attack failed."""
    begun = time.perf_counter()
    if job.kind == "curve":
        bench.curve(job.point, job.number)
        return {"outcome": f"{time.perf_counter() - begun:.0f} s"}
    if job.kind == "target":
        natural = float(bench.target(job.point, job.number).natural.mean())
        return {"outcome": f"natural accuracy {natural:.3f}, {time.perf_counter() - begun:.0f} s"}
    if job.kind == "judges":
        held_out = ", ".join(f"{judge.name} {judge.held_out.value:.2f}" for judge in bench.panel.judges)
        return {"outcome": f"accuracy on real held-out images: {held_out}, {time.perf_counter() - begun:.0f} s"}
    if job.kind == "prior":
        bench.ground(attempt_of(job.attack, bench.setup.prior.kind).prior)
        return {"outcome": f"{time.perf_counter() - begun:.0f} s"}
    if job.kind == "baseline":
        found = bench.baseline(job.point, job.attack, job.number)
    elif job.kind == "features":
        bench.features(job.point, attempt_of(job.attack, bench.setup.prior.kind), job.number)
        # a failed attack was already reported as such
        return {"outcome": f"{time.perf_counter() - begun:.0f} s"}
    else:
        found = bench.attack(job.point, attempt_of(job.attack, bench.setup.prior.kind), job.number)
    if found["reason"]:
        return {"reason": found["reason"]}
    hits = bench.verdicts(found["images"])
    accuracies = ", ".join(f"{name} {float(seen.float().mean()):.2f}" for name, seen in hits.items())
    return {"outcome": f"attack accuracy by judge: {accuracies}, {time.perf_counter() - begun:.0f} s"}


class JobCost:
    """Seconds of jobs on one worker, estimated from passes through networks, without those of attacks' own GANs."""

    def __init__(self, setup: Setup, data: StudyData, speed: Speed) -> None:
        self.setup, self.data, self.speed = setup, data, speed

    def of(self, jobs: Sequence[Job]) -> float:
        known: dict[tuple, float] = {}
        total = 0.0
        for job in jobs:
            what = (job.kind, job.attack, job.point.epoch)
            if what not in known:
                known[what] = self._one(job)
            total += known[what]
        return total

    def _one(self, job: Job) -> float:
        epochs = job.point.epoch or self.setup.target.epochs
        training = epochs * len(self.data.split.train) * self.speed.train_image
        if job.kind == "curve":
            return training + epochs * len(self.data.split.val) * self.speed.forward
        if job.kind == "target":
            return training
        if job.kind in ("judges", "prior"):
            return 0.0  # unknown here, and nothing if they are in the cache
        if job.kind == "features":
            return FEATURE_SECONDS * self.data.private.identities
        if job.kind == "baseline":
            return 2 * self.setup.prior.samples * self.speed.forward
        attack = attempt_of(job.attack, self.setup.prior.kind).attack
        return self.speed.of_attack(
            attack, self.data.private.identities, self.setup.prior.samples, len(self.data.public)
        )


def write_tables(folder: Path, tables: Tables) -> None:
    """Write each table to a Parquet file of its own, atomically."""
    for name, table in tables._asdict().items():
        save_atomically(folder / f"{name}.parquet", partial(table.to_parquet, index=False))
