"""Run or resume a confirmation: choose laws, train with fresh seeds, match controls, attack, judge, write tables."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from rich.console import Console

from mi_tune.confirmation.cells import Workbench
from mi_tune.confirmation.crew import CellWork, do_jobs, write_tables
from mi_tune.confirmation.jobs import JobCost
from mi_tune.confirmation.matching import match_augmentations, match_stops
from mi_tune.confirmation.plan import Plan
from mi_tune.confirmation.points import Lineup, candidate_controls, choose_points
from mi_tune.confirmation.tables import collect, collect_views
from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.device import pick_device
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.provenance import provenance
from mi_tune.runtime.wording import duration
from mi_tune.search.expectation import expected
from mi_tune.search.state import State
from mi_tune.setup import Setup, make_setup
from mi_tune.study.cluster import connect
from mi_tune.study.folder import StudyFolder, only_writer
from mi_tune.study.resuming import check_same_data
from mi_tune.trial.assets import load_data
from mi_tune.trial.attempts import check_attacks
from mi_tune.trial.estimate import measure_speed
from mi_tune.trial.laws import laws_of
from mi_tune.trial.point import UNDEFENDED, Point

FEW_PEOPLE = 20
"""With fewer people, intervals are so wide that only the largest effects can be seen."""


@dataclass(frozen=True)
class ConfirmOptions:
    """How to run a confirmation.

    Args:
        plan: attacks and seeds.
        points: number of laws beside the reference points.
        augmentations: whether other augmentations are controls too.
        address, gpus_per_trial, workers: see `connect`.
    """

    plan: Plan
    points: int = 4
    augmentations: bool = True
    address: str | None = None
    gpus_per_trial: float | None = None
    workers: int | None = None


def confirm(study_folder: Path, options: ConfirmOptions, console: Console) -> Path:
    """Confirm the study in a folder: train its best laws and reference points with fresh seeds, attack and judge them.

    What an earlier confirmation of the study has computed is used again. Returns the folder of the confirmation.

    Raises:
        InputError: the folder holds no finished study, the images have changed, or an attack is unknown. Raised before
            any training.
    """
    study = StudyFolder(study_folder)
    config = study.read_config()
    if not isinstance(config, dict) or "config" not in config or "data" not in config:
        raise InputError(
            f"{study_folder}: study.yaml is not a study's; give the folder of a study, such as results/orl"
        )
    study.check_links()
    setup = make_setup(config["config"], f"{study_folder}/study.yaml")
    plan = options.plan
    for attacks in (plan.portfolio, plan.ladder, plan.controls):
        check_attacks(attacks)
    trials = _finished_trials(study, setup, config["smoke"])
    data = load_data(setup, config["seed"])
    check_same_data(study, data)
    classes = data.private.identities
    if classes < FEW_PEOPLE:
        console.print(
            f"{classes} people are few: the 95 % interval of an attack accuracy of 50 % is at least "
            f"+-{98 / classes**0.5:.0f} points wide",
            style="yellow",
            highlight=False,
        )
    laws = laws_of(trials, study.path)
    model_means = expected(trials, laws[laws.state == State.COMPLETE], setup.search.space)
    points = choose_points(laws, tuple(config["data"]["mean"]), options.points, model_means)
    if len(points) == len([p for p in points if p.kind == "reference"]) and options.points:
        console.print(
            "no searched law is on the front or near it: only the reference points are confirmed",
            style="yellow",
            highlight=False,
        )
    folder = study.path / "confirmation"
    with only_writer(folder):
        work = CellWork(setup, data, config["seed"], folder / "cells")
        return _run(work, plan, points, options, folder, console)


def _finished_trials(study: StudyFolder, setup: Setup, smoke: bool) -> pd.DataFrame:
    trials = study.read_table()
    running = int((trials.state == State.RUNNING).sum())
    missing = setup.search.trials - len(trials) + running
    if missing > 0 and not smoke:
        raise InputError(
            f"{study.path}: {missing} of {setup.search.trials} trials are missing; finish the study by "
            f"mi-tune pareto --resume --name {setup.name}{_out_option(study.path)}, "
            f"or shorten it by adding --trials {len(trials) - running}"
        )
    return trials


def _out_option(folder: Path) -> str:
    """The --out option that finds a study's folder again, "" for the default."""
    parent = folder.parent
    return "" if parent == Path("results").absolute() else f" --out {shlex.quote(str(parent))}"


def _run(
    work: CellWork,
    plan: Plan,
    points: list[Point],
    options: ConfirmOptions,
    folder: Path,
    console: Console,
) -> Path:
    bench = work.bench(pick_device())
    plan = plan.knowing(points)
    candidates = candidate_controls(tuple(work.data.private.mean(work.data.split.train)))
    if not options.augmentations or work.setup.target.trainer is not None:
        candidates = {}  # a user's own loop applies no other augmentation
    lineup = Lineup(points, candidates)
    undefended, best = lineup.undefended, lineup.best
    speed = measure_speed(work.setup, work.data, bench.device)
    cost = JobCost(work.setup, work.data, speed)
    training = plan.training(lineup.trained, undefended)
    with connect(options.address, options.gpus_per_trial, options.workers, folder / "ray" / "ray.log") as resources:
        console.print(resources.where, highlight=False, soft_wrap=True)
        foreseen = [*training, *plan.attacking(lineup.foreseen), *plan.comparing(points)]
        expected = cost.of(foreseen) / resources.workers
        console.print(
            f"{len(points)} laws x {plan.seeds} fresh seeds, attacked by {', '.join(plan.every_attack())}, and "
            f"controls; {resources.workers} at a time: about [bold]{duration(1.25 * expected)}[/] "
            "without reuse of earlier results",
            highlight=False,
            soft_wrap=True,
        )
        preparing = plan.preparing(work.setup.prior.kind)
        do_jobs([*preparing, *training], work, resources, folder, cost, "training", console)
        accuracy = _mean_accuracy(bench, plan, lineup.trained)
        curve = np.mean([bench.curve(undefended, n).mean(1).numpy() for n in range(plan.seeds)], axis=0)
        stops, controls = match_stops(points, accuracy, curve)
        controls += match_augmentations(candidates, accuracy, accuracy[best.name])
        everything = lineup.attacked(controls)
        do_jobs(plan.attacking(everything), work, resources, folder, cost, "attacks", console)
        do_jobs(plan.comparing(everything), work, resources, folder, cost, "feature space", console)
    with console.status("writing tables"):
        tables = collect(bench, plan, everything)
        write_tables(folder, tables)
        views = collect_views(bench, plan, everything)
        _write_views(folder, views)
        description = _description(bench, plan, everything, stops, best, curve) | {
            "left_out": {name: [point.name for point in some] for name, some in lineup.parts.items()},
            "feature_views": list(views),
        }
        text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True, width=120)
        save_atomically(folder / "confirmation.yaml", lambda path: path.write_text(text))
    return folder


def _mean_accuracy(bench: Workbench, plan: Plan, points: Sequence[Point]) -> dict[str, float]:
    mean: Callable[[Point], float] = lambda point: float(  # noqa: E731
        np.mean([bench.target(point, number).natural.mean() for number in range(plan.seeds)])
    )
    return {point.name: mean(point) for point in points}


def _write_views(folder: Path, views: dict[str, dict[str, Any]]) -> None:
    arrays = {f"{number}/{name}": array for number, view in enumerate(views.values()) for name, array in view.items()}
    save_atomically(folder / "feature_views.npz", partial(np.savez_compressed, **arrays))


def _description(
    bench: Workbench,
    plan: Plan,
    points: Sequence[Point],
    stops: dict[str, Point | None],
    best: Point,
    curve: np.ndarray,
) -> dict[str, Any]:
    data = bench.data
    return {
        "study": bench.setup.name,
        "seeds": plan.seeds,
        "portfolio": list(plan.portfolio),
        "ladder": list(plan.ladder),
        "controls": list(plan.controls),
        "points": [
            {**{k: v for k, v in asdict(p).items() if k != "treatment"}, "treatment": p.treatment.to_dict()}
            for p in points
        ],
        "matched_stops": {name: point.name if point else UNDEFENDED for name, point in stops.items()},
        "augmentations_matched_to": best.name,
        "undefended_curve": [round(float(value), 4) for value in curve],
        "judges": [
            {
                "name": judge.name,
                "question": judge.question,
                "fingerprint": judge.key,
                "saw_private": judge.learned != "none",
                "outside": judge.outside,
                "in_search": judge.in_search,
                **dict(zip(("held_out", "held_out_low", "held_out_high"), map(float, judge.held_out), strict=True)),
            }
            for judge in bench.panel.judges
        ],
        "data": {
            "private": data.private.fingerprint(),
            "public": data.public.fingerprint(),
            "identities": data.private.identities,
            "test": len(data.split.test),
        },
        "prior": bench.setup.prior.kind,
        "prior_ceilings": [one.as_plain() for one in bench.ceilings],
        "hypervolume_reference": {"natural_accuracy": 0.0, "attack_accuracy": 1.0},
        **provenance(bench.device),
    }
