"""Run the jobs of a confirmation, or of another comparison of treatments, on workers, and show their progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from mi_tune.confirmation.cells import Workbench
from mi_tune.confirmation.jobs import Job, JobCost, work_on
from mi_tune.confirmation.tables import Tables
from mi_tune.runtime.cache import save_atomically
from mi_tune.setup import Setup
from mi_tune.study.cluster import Resources
from mi_tune.study.fleet import run_jobs
from mi_tune.study.job_progress import JobProgress
from mi_tune.trial.assets import StudyData


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
    progress = JobProgress(jobs, title, console, lambda job: job.title, lambda job: job.seconds(cost))
    with progress:
        run_jobs(jobs, work.bench, work_on, resources, folder / "ray", progress.ended)


def write_tables(folder: Path, tables: Tables) -> None:
    """Write each table to a Parquet file of its own, atomically."""
    for name, table in tables._asdict().items():
        save_atomically(folder / f"{name}.parquet", partial(table.to_parquet, index=False))
