"""The jobs of a confirmation, or of another comparison of treatments: their workers, progress and cost."""

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
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from mi_tune.confirmation.cells import Workbench
from mi_tune.confirmation.plan import Job, attempt_of
from mi_tune.confirmation.tables import Tables
from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.wording import duration
from mi_tune.setup import Setup
from mi_tune.study.fleet import run_jobs
from mi_tune.trial.assets import StudyData
from mi_tune.trial.estimate import Speed

FEATURE_SECONDS = 0.2
"""What one comparison in feature space costs a person: 0.07 with 3 training images each, 0.3 with 18."""


@dataclass(frozen=True)
class CellWork:
    """What travels to the workers: everything that a cell is made of."""

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
    """Run the jobs, telling how far they are."""
    total, spent, begun = cost.of(jobs), [0.0], time.monotonic()
    bar = Progress(
        TextColumn(f"[bold]{title}"),
        BarColumn(40),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
    )
    task = bar.add_task(title, total=len(jobs), left="")

    def done(job: Job, result: dict) -> None:
        spent[0] += cost.of([job])
        # the first jobs cost nothing that could be foreseen
        left = (time.monotonic() - begun) * (total / spent[0] - 1) if spent[0] else None
        left_said = "" if left is None else f"about {duration(left)} left"
        bar.update(task, advance=1, left=left_said)
        if result["reason"]:
            console.print(f"{job.title}: failed: {result['reason']}", style="red", highlight=False, markup=False)
        elif not console.is_terminal and result.get("said"):
            text = f"{job.title}: {result['said']}" + f"  [{left_said}]" * bool(left_said)
            console.print(text, highlight=False, markup=False, soft_wrap=True)

    with bar:
        run_jobs(jobs, work.bench, work_on, resources, folder / "ray", done)


def work_on(bench: Workbench, job: Job) -> dict[str, Any]:
    """Do one job in a worker. `said`: its outcome in a few words, nothing where it was done before."""
    begun = time.perf_counter()
    if job.kind == "curve":
        bench.curve(job.point, job.number)
        return {"said": f"{time.perf_counter() - begun:.0f} s"}
    if job.kind == "target":
        natural = float(bench.target(job.point, job.number).natural.mean())
        return {"said": f"natural accuracy {natural:.3f}, {time.perf_counter() - begun:.0f} s"}
    if job.kind == "judges":
        held_out = ", ".join(f"{judge.name} {judge.held_out.value:.2f}" for judge in bench.panel.judges)
        return {"said": f"right on real held-out images: {held_out}, {time.perf_counter() - begun:.0f} s"}
    if job.kind == "prior":
        bench.ground(attempt_of(job.attack, bench.setup.prior.kind).prior)
        return {"said": f"{time.perf_counter() - begun:.0f} s"}
    if job.kind == "baseline":
        found = bench.baseline(job.point, job.attack, job.number)
    elif job.kind == "features":
        bench.features(job.point, attempt_of(job.attack, bench.setup.prior.kind), job.number)
        # a failed attack was told as such already
        return {"said": f"{time.perf_counter() - begun:.0f} s"}
    else:
        found = bench.attack(job.point, attempt_of(job.attack, bench.setup.prior.kind), job.number)
    if found["reason"]:
        return {"reason": found["reason"]}
    hits = bench.verdicts(found["images"])
    said = ", ".join(f"{name} {float(seen.float().mean()):.2f}" for name, seen in hits.items())
    return {"said": f"{said}, {time.perf_counter() - begun:.0f} s"}


class JobCost:
    """Seconds of jobs on one worker, by the images that go through networks; generators of attacks left out."""

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
            return 0.0  # nothing, where they were made before
        if job.kind == "features":
            return FEATURE_SECONDS * self.data.private.identities
        if job.kind == "baseline":
            return 2 * self.setup.prior.samples * self.speed.forward
        attack = attempt_of(job.attack, self.setup.prior.kind).attack
        return self.speed.of_attack(
            attack, self.data.private.identities, self.setup.prior.samples, len(self.data.public)
        )


def write_tables(folder: Path, tables: Tables) -> None:
    """One Parquet file a table, each whole or absent."""
    for name, table in tables._asdict().items():
        save_atomically(folder / f"{name}.parquet", partial(table.to_parquet, index=False))
