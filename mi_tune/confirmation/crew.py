"""Run the jobs of a confirmation, or of another comparison of treatments, on workers, and show their progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from mi_tune.study.shared_folder import FarCopies, SharedFolder, share_folder, unshare_folder
from mi_tune.trial.assets import StudyData


@dataclass(frozen=True)
class CellWork:
    """What the workers need to compute cells. It is sent to each of them.

    Args:
        setup, data, seed: of the study. cells: folder of the cells, on the driver's machine.
        place: how workers reach it; None in the driver.
    """

    setup: Setup
    data: StudyData
    seed: int
    cells: Path
    place: SharedFolder | None = None

    def bench(self, device: torch.device) -> Workbench:
        far = self.place is not None and not self.place.here
        folder = FarCopies(self.place) if far and self.place is not None else self.cells
        return Workbench(self.setup, self.data, self.seed, folder, device)


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
    work.cells.mkdir(parents=True, exist_ok=True)
    place = share_folder(work.cells, elsewhere=not resources.private)
    try:
        with progress:
            run_jobs(jobs, replace(work, place=place).bench, work_on, resources, folder / "ray", progress.ended)
    finally:
        unshare_folder(place)


def write_tables(folder: Path, tables: Tables) -> None:
    """Write each table to a Parquet file of its own, atomically."""
    for name, table in tables._asdict().items():
        save_atomically(folder / f"{name}.parquet", partial(table.to_parquet, index=False))
