"""Does the front survive fresh seeds, other judges, and an attacker who knows?

`python studies/confirm.py results/orl` trains the reference points and the best laws of a study anew, attacks them with
a portfolio, judges by judges that the search never used, and writes `confirmation/` into the study's folder.
"""

from __future__ import annotations

from pathlib import Path

import click

from mi_tune.runtime.command import Command
from studies.commands.next_step import say_next, short


@click.command(cls=Command)
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--seeds", type=click.IntRange(min=1), help="Fresh targets of every law.  [default: 3; quick: 2]")
@click.option("--points", type=click.IntRange(min=0), help="Laws beside the reference points.  [default: 4; quick: 2]")
@click.option("--attacks", help="Comma-separated, with :budget where it is not reduced.  [default: six of them]")
@click.option("--quick", is_flag=True, help="Two seeds, two laws, three attacks, no budget ladder: a first look.")
@click.option("--no-augmentations", is_flag=True, help="Leave out other augmentations as controls.")
@click.option("--address", help="Ray cluster to join; 'auto' for the one of this machine.")
@click.option("--gpus-per-trial", type=click.FloatRange(min=0), help="GPUs of a job.  [default: 1 if any]")
@click.option("--workers", type=click.IntRange(min=1), help="Jobs at a time.  [default: as many as fit]")
def confirm(
    study: Path,
    seeds: int | None,
    points: int | None,
    attacks: str | None,
    quick: bool,
    no_augmentations: bool,
    address: str | None,
    gpus_per_trial: float | None,
    workers: int | None,
) -> None:
    """Confirm the front of the study in the folder STUDY."""
    from rich.console import Console

    from mi_tune.library.confirming import plan_confirmation, run_planned

    named = [name.strip() for name in attacks.split(",") if name.strip()] if attacks is not None else None
    options = plan_confirmation(seeds, points, named, quick, not no_augmentations, address, gpus_per_trial, workers)
    console = Console()
    run_planned(study, options, console)

    from analysis.pages import write_confirmation_report

    with console.status("drawing worlds that this one might have been"):
        report = write_confirmation_report(study)
    console.print(f"report: {report}", highlight=False, markup=False, soft_wrap=True)
    why = "attack the law that it recommends with every attack that knows of erasing"
    say_next(console, why, "attack", short(study), "--trial", "recommended", "--attack", "erasing-aware")
