"""Study one property of erasing laws: compare treatments that differ only in it, each trained and attacked anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console

from mi_tune.confirmation.crew import CellWork, do_jobs, write_tables
from mi_tune.confirmation.jobs import JobCost
from mi_tune.confirmation.plan import Plan
from mi_tune.confirmation.tables import collect
from mi_tune.defences.properties import DESCRIPTION
from mi_tune.defences.treatment import Treatment
from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.device import pick_device
from mi_tune.runtime.provenance import provenance
from mi_tune.runtime.wording import duration
from mi_tune.setup import Setup
from mi_tune.study.cluster import connect
from mi_tune.study.folder import only_writer
from mi_tune.trial.assets import check_names, load_data
from mi_tune.trial.estimate import measure_speed
from mi_tune.trial.point import UNDEFENDED, Point


@dataclass(frozen=True)
class PropertyOptions:
    """How to run a study of one property.

    Args:
        seeds: targets per treatment.
        attacks: as `name:budget`.
        address, gpus_per_trial, workers: see `connect`.
    """

    seeds: int
    attacks: tuple[str, ...]
    address: str | None = None
    gpus_per_trial: float | None = None
    workers: int | None = None


def study_property(
    setup: Setup,
    seed: int,
    title: str,
    treatments: Mapping[str, Treatment],
    folder: Path,
    options: PropertyOptions,
    console: Console,
) -> Path:
    """Train, attack and judge every treatment and the training without defence; returns the folder.

    Results of an earlier run in the folder are used again. The files are those of a confirmation, with `property.yaml`
    in place of `confirmation.yaml`. The first treatment is the one that the others are compared with.

    Raises:
        InputError: something that the user gave cannot work. Raised before any training.
    """
    check_names(setup)
    plan = Plan(options.seeds, portfolio=options.attacks, ladder=(), controls=options.attacks, features=False)
    data = load_data(setup, seed)
    mean = tuple(data.private.mean(data.split.train))
    points = [Point(UNDEFENDED, "reference", Treatment())]
    points += [Point(name, "property", treatment.resolved(mean)) for name, treatment in treatments.items()]
    with only_writer(folder):
        work = CellWork(setup, data, seed, folder / "cells")
        bench = work.bench(pick_device())
        cost = JobCost(setup, data, measure_speed(setup, data, bench.device))
        training = plan.training(points, points[0])[plan.seeds :]
        with connect(options.address, options.gpus_per_trial, options.workers, folder / "ray" / "ray.log") as resources:
            console.print(resources.where, highlight=False, soft_wrap=True)
            attacking = plan.attacking(points)
            console.print(
                f"[bold]{title}[/]: {len(points)} trainings x {plan.seeds} seeds, attacked by "
                f"{', '.join(plan.every_attack())}; {resources.workers} at a time: about "
                f"[bold]{duration(1.25 * cost.of([*training, *attacking]) / resources.workers)}[/] "
                "without reuse of earlier results",
                highlight=False,
                soft_wrap=True,
            )
            preparing = plan.preparing(setup.prior.kind)
            do_jobs([*preparing, *training], work, resources, folder, cost, "training", console)
            do_jobs(attacking, work, resources, folder, cost, "attacks", console)
        write_tables(folder, collect(bench, plan, points))
        description = {
            "title": title,
            "base": points[1].name,
            "seeds": plan.seeds,
            "attacks": list(plan.portfolio),
            "points": [{"name": point.name, "treatment": point.treatment.to_dict()} for point in points],
            "judges": [
                {"name": judge.name, "saw_private": judge.learned != "none", "held_out": float(judge.held_out.value)}
                for judge in bench.panel.judges
            ],
            "seed": seed,
            "config": setup.model_dump(mode="json"),
            "data": {
                "private": data.private.fingerprint(),
                "public": data.public.fingerprint(),
                "identities": data.private.identities,
            },
            **provenance(bench.device),
        }
        text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True, width=120)
        save_atomically(folder / DESCRIPTION, lambda path: path.write_text(text))
    return folder
