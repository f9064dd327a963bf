"""Search Random Erasing laws: the Pareto front of natural accuracy against attack accuracy.

`python studies/pareto.py` runs on built-in faces; `--private DIR --public DIR` on your own.
"""

from __future__ import annotations

import re
from pathlib import Path

import click

from mi_tune.runtime.command import Command
from mi_tune.runtime.kinds import BUDGETS, PRIOR_KINDS
from studies.commands.next_step import line, say_next, short
from studies.commands.setup_files import setup_file as file_of

SMOKE = {
    "target.epochs": 4,
    "target.report_every": 2,
    "target.replicates": 1,
    "judge.epochs": 2,
    "judge.regressor_steps": 20,
    "prior.samples": 200,
    "prior.gan_steps": 20,
    "search.trials": 6,
    "search.startup": 1,
    "search.min_accuracy_kept": 0.0,
}


@click.command(cls=Command, kept="whatever had finished is in the study folder")
@click.option("--setup", "setup_file", help="A YAML file, or a name in studies/setups.  [default: orl, or folder]")
@click.option("--private", type=click.Path(path_type=Path), help="Your images: one sub-folder per identity.")
@click.option("--public", type=click.Path(path_type=Path), help="Images of other people, for the attacker.")
@click.option("--identities", type=int, help="How many identities are private (drawn by seed).")
@click.option("--resolution", type=int, help="Side of the images in pixels.")
@click.option("--architecture", help="small_cnn, or any classifier of torchvision.")
@click.option("--epochs", type=int, help="Training epochs of a target.")
@click.option("--replicates", type=int, help="Targets trained and attacked per trial.")
@click.option("--prior", type=click.Choice(PRIOR_KINDS), help="The attacker's prior.")
@click.option("--generator", help="Your own generator, for --prior import or style: path/to/file.py:factory.")
@click.option("--generator-weights", type=click.Path(path_type=Path), help="Its weights, a state_dict.")
@click.option("--recogniser", help="Judge from outside: faces, none, or your own: path/to/file.py:factory.")
@click.option("--recogniser-weights", type=click.Path(path_type=Path), help="Its weights, a state_dict.")
@click.option(
    "--judge",
    type=click.Choice(["auto", "classifier", "verifier", "recogniser"]),
    help="Who judges trials.  [default: auto; docs/judges.md]",
)
@click.option("--attack", help="Attack preset (docs/attacks.md lists them), or your own: path/to/file.py:factory.")
@click.option("--budget", type=click.Choice(BUDGETS), help="Budget of the attack.")
@click.option("--sampler", help="gp, nehvi, tpe, nsga2, nsga3, qmc, random, or your own: file.py:factory.")
@click.option("--trials", type=int, help="Trials in all, reference points among them.")
@click.option("--repeats", type=float, help="Share of the trials that run a law of the front again.")
@click.option(
    "--stopping", type=click.Choice(["none", "moasha"]), help="End trials early that fall behind half-trained."
)
@click.option(
    "--warm-start", type=click.Path(path_type=Path), help="Folder of an earlier study to start from, of any data."
)
@click.option("--min-accuracy", type=float, help="Natural accuracy below which a law is infeasible.")
@click.option("--time-budget", type=click.FloatRange(min=0, min_open=True), help="Stop after so many minutes.")
@click.option("--seed", type=int, help="Every random draw derives from it.  [default: 0]")
@click.option("--resume", is_flag=True, help="Go on with the study in the folder.")
@click.option("--name", help="Name of the study and its folder.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("results"), help="Folder of study folders.")
@click.option("--address", help="Ray cluster to join; 'auto' for the one of this machine.")
@click.option(
    "--gpus-per-trial", type=click.FloatRange(min=0), help="GPUs of a trial, also fractions.  [default: 1 if any]"
)
@click.option("--workers", type=click.IntRange(min=1), help="Trials at a time.  [default: as many as fit]")
@click.option("--include-images", is_flag=True, help="Show faces in the report of your own data.")
@click.option("--smoke", is_flag=True, help="A minute that shows that everything works; its numbers mean nothing.")
def pareto(
    setup_file: str | None,
    private: Path | None,
    public: Path | None,
    identities: int | None,
    resolution: int | None,
    architecture: str | None,
    epochs: int | None,
    replicates: int | None,
    prior: str | None,
    generator: str | None,
    generator_weights: Path | None,
    recogniser: str | None,
    recogniser_weights: Path | None,
    judge: str | None,
    attack: str | None,
    budget: str | None,
    sampler: str | None,
    trials: int | None,
    repeats: float | None,
    stopping: str | None,
    warm_start: Path | None,
    min_accuracy: float | None,
    time_budget: float | None,
    seed: int | None,
    resume: bool,
    name: str | None,
    out: Path,
    address: str | None,
    gpus_per_trial: float | None,
    workers: int | None,
    include_images: bool,
    smoke: bool,
) -> None:
    """Search Random Erasing laws on real faces: train each law, attack it, draw the front."""
    from rich.console import Console

    from mi_tune.setup import make_setup, read_setup

    console = Console()
    own = private is not None or public is not None
    given = {
        "data.source": "folder" if own else None,
        "data.private": str(private.absolute()) if private else None,
        "data.public": str(public.absolute()) if public else None,
        "data.private_identities": identities,
        "data.resolution": resolution,
        "target.architecture": architecture,
        "target.epochs": epochs,
        "target.replicates": replicates,
        "prior.kind": prior,
        "prior.generator": generator,
        "prior.weights": str(generator_weights) if generator_weights else None,
        "judge.kind": judge,
        "judge.recogniser": recogniser,
        "judge.recogniser_weights": str(recogniser_weights) if recogniser_weights else None,
        "attack.preset": attack,
        "attack.budget": budget,
        "search.sampler": sampler,
        "search.trials": trials,
        "search.repeats": repeats,
        "search.stopping.scheduler": stopping,
        "search.warm_start": str(warm_start.absolute()) if warm_start else None,
        "search.min_accuracy": min_accuracy,
    }
    file = file_of(setup_file or ("folder" if own else "orl"))
    values = read_setup(file)
    name = name or (_folder_name(private) if private else values.get("name"))
    stored = out / str(name) / "study.yaml"
    if resume and stored.exists():
        # a resumed study has its own options; what is given besides must not contradict them
        old = read_setup(stored)
        file, seed = stored, old["seed"] if seed is None else seed
        smoke, include_images = old["smoke"] or smoke, old["images_allowed"]
        values = values | {"name": name} if setup_file else old["config"]
    elif smoke:
        given = SMOKE | {key: value for key, value in given.items() if value is not None}
    setup = make_setup(values, str(file), given | {"name": name})

    from mi_tune.study.run import RunOptions, run_study  # imports Ray and torch: only once the input makes sense

    options = RunOptions(
        resume=resume,
        time_budget=time_budget * 60 if time_budget else None,
        address=address,
        gpus_per_trial=gpus_per_trial,
        workers=workers,
        smoke=smoke,
        images_allowed=setup.data.source != "folder" or include_images,
    )
    outcome = run_study(setup, seed or 0, out / setup.name, options, console)

    from analysis.pages import headline, write_report
    from analysis.statistics import load_study

    if not smoke:
        console.print(headline(load_study(outcome.folder)), style="bold", highlight=False, markup=False)
    console.print(f"report: {write_report(outcome.folder)}", highlight=False, markup=False, soft_wrap=True)
    folder = short(outcome.folder)
    if outcome.finished:
        say_next(console, "see whether its front survives fresh seeds and attackers who know", "confirm", folder)
        return
    where = [] if str(out) == "results" else ["--out", str(out)]
    again = line("pareto", "--resume", "--name", setup.name, *where)
    console.print(f"not finished; go on with: {again}", highlight=False, markup=False, soft_wrap=True)


def _folder_name(folder: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._") or "own"
