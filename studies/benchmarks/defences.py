"""How does each defence fare, alone and with erasing, against plain and informed attacks, before two judges?

    python studies/benchmarks/defences.py --out results/defences/orl
    python studies/benchmarks/defences.py --private DIR --public DIR --recogniser faces --out results/defences/own

Every defence that fits the network is trained at three strengths, at its published setting with the lighter MIDRE, and
as given by --mix; beside them the reference laws, and the training without defence where it would stop early. Each
target is attacked by every attack, and each reconstruction shown to the study's judge and to the recogniser. One JSON
file a target is kept in --out, so that an interrupted run goes on where it was. Natural accuracy is that of the test
images.
"""

from __future__ import annotations

import copy
import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from mi_tune.attacks import Ground, open_oracle
from mi_tune.defences.defence import at_defaults
from mi_tune.defences.registry import DEFENCES, read_mix
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.judging import Gallery, Judge, class_interval, judge_images
from mi_tune.judging.intervals import class_difference, per_class_mean
from mi_tune.library.setups import build_setup
from mi_tune.nets.training import predict
from mi_tune.runtime.cache import content_key, save_atomically
from mi_tune.runtime.device import pick_device, use_one_thread
from mi_tune.runtime.errors import DivergedError, InputError
from mi_tune.setup import ParameterRange, Setup
from mi_tune.trial.assets import StudyData, load_data, prepare_ground
from mi_tune.trial.attempts import attempt_of
from mi_tune.trial.judges import prepare_judge, prepare_recogniser, with_recogniser
from mi_tune.trial.mixes import MIXED_WITH, completed
from mi_tune.trial.stopped_early import stopping_epochs
from mi_tune.trial.targets import target_training, treatment_of

UNDEFENDED = "no defence"
STRENGTHS = (0.1, 0.9)
"""Where in a defence's searched range the milder and the stronger setting lie, beside the published one."""


def treatments(setup: Setup, mixes: tuple[str, ...], strengths: bool = True) -> dict[str, Treatment]:
    """What is compared, by name, the published settings first. strengths: whether milder and stronger ones are, too."""
    found = {name: Treatment(law) for name, law in REFERENCE_LAWS.items()}
    ranges = completed(setup).search.space.defences
    for kind in ranges:
        published = DEFENCES[kind]()
        found[published.name] = Treatment(defences=(published,))
        found[f"{MIXED_WITH} + {published.name}"] = Treatment(REFERENCE_LAWS[MIXED_WITH], defences=(published,))
    for kind, parameters in ranges.items() if strengths else ():
        for share in STRENGTHS:
            one = at_defaults(DEFENCES[kind], **_at(parameters, share))
            found[one.name] = Treatment(defences=(one,))
    for text in mixes:
        law, _, mix = text.partition("|")
        treatment = Treatment(REFERENCE_LAWS[law.strip()], defences=read_mix(mix))
        found[text] = treatment
    return found


def _at(parameters: dict[str, ParameterRange], share: float) -> dict[str, float]:
    """The setting at a share of the way from the low to the high end of every range."""
    found = {}
    for name, limits in parameters.items():
        value = limits.low + share * (limits.high - limits.low)
        if limits.log:
            value = limits.low * (limits.high / limits.low) ** share
        found[name] = float(round(value)) if limits.whole else value
    return found


@lru_cache(maxsize=1)
def _parts(values: str) -> tuple[StudyData, Judge, Gallery | None, Ground]:
    """Data, judge, recogniser and the attacker's ground of a set-up, made once a process."""
    setup, device = Setup.model_validate_json(values), pick_device()
    data = load_data(setup, 0)
    judges = prepare_judge(setup, data, 0, device), prepare_recogniser(setup, data, device)
    return data, *judges, prepare_ground(setup, data, 0, device)


def measure(setup: Setup, treatment: Treatment, seed: int, attacks: tuple[str, ...]) -> dict[str, Any]:
    """Train one target and attack it; without defence, also where its training would stop early."""
    use_one_thread()
    device = pick_device()
    data, judge, gallery, ground = _parts(setup.model_dump_json())
    bank, people = data.private, torch.arange(data.private.identities)
    treatment = treatment_of(treatment, data)
    run = target_training(setup, data, treatment, seed, 0, device)
    stops = stopping_epochs(run.recipe.epochs) if treatment.undefended else ()
    found = {}
    while not run.finished:
        try:
            run.train_epoch()
        except DivergedError as error:
            return {"reason": str(error)}
        if run.epoch not in stops and not run.finished:
            continue
        model = copy.deepcopy(treatment.deployed(run.model))
        test = data.split.test
        right = predict(model, run.images, device, torch.from_numpy(test)).argmax(1).numpy() == bank.labels[test]
        one: dict[str, Any] = {"natural": per_class_mean(right, bank.labels[test], bank.identities).tolist()}
        for name in attacks if run.finished else attacks[:1]:
            attempt = attempt_of(name, setup.prior.kind)
            oracle = open_oracle(attempt.attack.access, copy.deepcopy(model), device, len(people))
            try:
                images = attempt.attack.run(oracle, ground.knowing(treatment.law), people, seed).images
            except DivergedError as error:
                one[name] = {"reason": str(error)}
                continue
            one[name] = {"judge": judge_images(judge, images, people, device).accuracy.tolist()}
            if gallery is not None:
                one[name]["recogniser"] = gallery.answers(images[:, :4], people, device).rank1.mean(1).tolist()
        found[str(run.epoch) if not run.finished else "end"] = one
    return found


@click.command()
@click.option("--private", type=click.Path(path_type=Path), help="Your images.  [default: the built-in faces]")
@click.option("--public", type=click.Path(path_type=Path), help="Images of other people.")
@click.option("--drawn", is_flag=True, help="Drawn faces in place of photographs.")
@click.option("--identities", type=int, default=30)
@click.option("--resolution", type=int, help="Side of your images in pixels.")
@click.option("--architecture", default="small_cnn")
@click.option("--recogniser", default="auto")
@click.option("--defences", default="all", help="Which defences.")
@click.option("--mix", "mixes", multiple=True, help="More: a reference law, |, and defences.")
@click.option("--attacks", default="map_logit:reduced,ppa:reduced,taa:reduced")
@click.option("--strengths/--published", default=True, help="Milder and stronger settings, too.")
@click.option("--done", is_flag=True, help="Print what is done, and measure nothing.")
@click.option("--seeds", type=int, default=3)
@click.option("--epochs", type=int, help="Training epochs of a target.  [default: the set-up's]")
@click.option("--workers", type=int, default=2)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the results.")
def main(
    private: Path | None,
    public: Path | None,
    drawn: bool,
    identities: int,
    resolution: int | None,
    architecture: str,
    recogniser: str,
    defences: str,
    mixes: tuple[str, ...],
    attacks: str,
    strengths: bool,
    done: bool,
    seeds: int,
    epochs: int | None,
    workers: int,
    out: Path,
) -> None:
    console, names = Console(width=150), tuple(attacks.split(","))
    chosen: dict[str, Any] = {"private": private, "public": public} if private else {}
    setup = build_setup(
        "procedural" if drawn else None,
        **chosen,
        identities=identities,
        resolution=resolution,
        recogniser=recogniser,
        architecture=architecture,
        defences=defences,
        epochs=epochs,
    )
    setup = with_recogniser(setup)
    compared = treatments(setup, mixes, strengths)
    out.mkdir(parents=True, exist_ok=True)
    values = setup.model_copy(update={"search": type(setup.search)()}).model_dump_json()
    jobs = {
        (name, seed): out / f"{content_key(values, treatment.to_dict(), seed, names)}.json"
        for seed in range(seeds)
        for name, treatment in compared.items()
    }
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = {
            pool.submit(measure, setup, compared[name], seed, names): (name, seed)
            for (name, seed), place in jobs.items()
            if not place.exists() and not done
        }
        for number, future in enumerate(as_completed(waiting), start=1):
            name, seed = waiting[future]
            try:
                text = json.dumps(future.result())
            except InputError as error:
                text = json.dumps({"reason": str(error)})
            save_atomically(jobs[name, seed], lambda path, text=text: path.write_text(text))
            console.print(f"{number}/{len(waiting)} {name}, seed {seed}", highlight=False)
    results = {job: json.loads(place.read_text()) for job, place in jobs.items() if place.exists()}
    compared = {name: one for name, one in compared.items() if all((name, seed) in results for seed in range(seeds))}
    judges = ("recogniser", "judge")
    for judge in judges:
        console.print(_table(results, list(compared), names, seeds, judge))


def _table(
    results: dict[tuple[str, int], dict[str, Any]], names: list[str], attacks: tuple[str, ...], seeds: int, judge: str
) -> Table:
    """Means over seeds with 95 % intervals over people; and how much less than stopping early at equal accuracy."""
    line = _stopping_line(results, attacks[0], seeds, judge)
    table = Table(title=f"{judge}, {seeds} seeds", box=None)
    for title in ("treatment", "natural accuracy (test)", *attacks, "strongest", "less than stopping early"):
        table.add_column(title)
    for name in names:
        ends = [results[name, seed].get("end") for seed in range(seeds)]
        if any(end is None for end in ends):
            table.add_row(name, next(r["reason"] for r in (results[name, s] for s in range(seeds)) if "reason" in r))
            continue
        natural = np.mean([end["natural"] for end in ends], axis=0)
        leaks = {
            attack: np.mean([end[attack][judge] for end in ends], axis=0)
            for attack in attacks
            if all(judge in end[attack] for end in ends)
        }
        if not leaks:
            continue
        strongest = max(leaks, key=lambda attack: leaks[attack].mean())
        gain = class_difference(_at_accuracy(line, natural.mean()), leaks[attacks[0]]) if attacks[0] in leaks else None
        cells = [_text(class_interval(leaks[attack])) if attack in leaks else "failed" for attack in attacks]
        table.add_row(name, _text(class_interval(natural)), *cells, strongest, "" if gain is None else _text(gain))
    return table


def _stopping_line(
    results: dict[tuple[str, int], dict[str, Any]], attack: str, seeds: int, judge: str
) -> list[tuple[float, np.ndarray]]:
    """Natural accuracy and leak per person of the training without defence at each stop, by rising accuracy."""
    points = []
    for stop in results[UNDEFENDED, 0]:
        rows = [results[UNDEFENDED, seed][stop] for seed in range(seeds)]
        if all(judge in row[attack] for row in rows):
            leak = np.mean([row[attack][judge] for row in rows], axis=0)
            points.append((float(np.mean([row["natural"] for row in rows])), leak))
    return sorted(points, key=lambda point: point[0])


def _at_accuracy(line: list[tuple[float, np.ndarray]], natural: float) -> np.ndarray:
    """The leak per person of the line at a natural accuracy; at its ends, that of the end."""
    xs = [x for x, _ in line]
    return np.array([np.interp(natural, xs, [leak[person] for _, leak in line]) for person in range(len(line[0][1]))])


def _text(estimate: Any) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


if __name__ == "__main__":
    main()
