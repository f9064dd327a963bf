"""Search Random Erasing laws: the Pareto front of natural accuracy against attack accuracy.

`python studies/pareto.py` runs on built-in faces; `--private DIR --public DIR` on your own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mi_tune.runtime.command import Command, Interrupted
from studies.commands.next_step import line, say_next, short
from studies.commands.setup_options import ATTACK, DATA, JUDGE, PRIOR, RECOGNISER, SEARCH, TARGET, takes_setup


@click.command(cls=Command, kept="whatever had finished is in the study folder")
@click.option("--setup", "setup_file", help="A YAML file, or a name in studies/setups.  [default: orl, or folder]")
@takes_setup(*DATA, *TARGET, *PRIOR, *RECOGNISER, *JUDGE, *ATTACK, *SEARCH)
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
@click.option(
    "--callback",
    "callbacks",
    multiple=True,
    help="Tracker: csv, mlflow, tensorboard, wandb, or your own Ray Tune callback: path/to/file.py:factory.",
)
@click.option("--include-images", is_flag=True, help="Show faces in the report of your own data.")
@click.option("--twin", is_flag=True, help="The small twin of a published set-up: the same parts, no meaning.")
@click.option("--smoke", is_flag=True, help="A minute that shows that everything works; its numbers mean nothing.")
def pareto(
    setup_file: str | None,
    given: dict[str, Any],
    time_budget: float | None,
    seed: int | None,
    resume: bool,
    name: str | None,
    out: Path,
    address: str | None,
    gpus_per_trial: float | None,
    workers: int | None,
    callbacks: tuple[str, ...],
    include_images: bool,
    twin: bool,
    smoke: bool,
) -> None:
    """Search Random Erasing laws on real faces: train each law, attack it, draw the front."""
    from rich.console import Console

    from mi_tune.library.tuning import plan_study
    from mi_tune.study.run import RunOptions

    console = Console()
    options = RunOptions(
        resume=resume,
        time_budget=time_budget * 60 if time_budget else None,
        address=address,
        gpus_per_trial=gpus_per_trial,
        workers=workers,
        smoke=smoke,
        callbacks=callbacks,
    )
    planned = plan_study(setup_file, given, name, out, seed, include_images, options, twin)
    outcome = planned.run(console)
    where = [] if str(out) == "results" else ["--out", str(out)]
    again = line("pareto", "--resume", "--name", planned.setup.name, *where)
    if outcome.ended is not None and outcome.interrupted:
        kept = f"{outcome.over} of {planned.setup.search.trials} trials are kept; go on with: {again}"
        raise Interrupted(kept, outcome.ended.status)

    from analysis.pages import controlled, headline, write_report
    from analysis.statistics import load_study

    if not planned.options.smoke:
        found = load_study(outcome.folder)
        for text in (headline(found), controlled(found)):
            console.print(text, style="bold", highlight=False, markup=False)
    console.print(f"report: {write_report(outcome.folder)}", highlight=False, markup=False, soft_wrap=True)
    folder = short(outcome.folder)
    if outcome.finished:
        say_next(console, "see whether its front survives fresh seeds and attackers who know", "confirm", folder)
        return
    console.print(f"not finished; go on with: {again}", highlight=False, markup=False, soft_wrap=True)
