"""Tabulate real trials, so that searchers and schedulers can be compared in seconds.

`python studies/benchmarks/tabulate_trials.py` trains the reference laws and a Sobol sequence of laws, each with
two seeds, and
looks at and attacks every target at three rungs of its schedule. It takes hours; the same command goes on where it
was stopped.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mi_tune.library.setup_files import setup_file as file_of
from mi_tune.runtime.command import Command, run_command

DESIGN_SIZES, OTHER_SIZE = {"orl": 400}, 100
"""Laws of the design by set-up, and for all others."""


@click.command(cls=Command)
@click.option("--setup", "setup_file", default="orl", help="A YAML file, or a name in studies/setups.")
@click.option("--laws", type=click.IntRange(min=1), help="Laws of the design.  [default: 400 for orl, else 100]")
@click.option("--seeds", type=click.IntRange(min=1), default=2, help="Targets of every law.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the table.  [default: results/tabulated/SETUP]")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Begin no trial after so many minutes.")
@click.option("--package", is_flag=True, help="Write the complete laws into the package too: mi_tune/replay/tables.")
@click.option("--address", help="Ray cluster to join; 'auto' for the one of this machine.")
@click.option("--gpus-per-trial", type=click.FloatRange(min=0), help="GPUs of a trial.  [default: 1 if any]")
@click.option("--workers", type=click.IntRange(min=1), help="Trials at a time.  [default: as many as fit]")
def tabulate(
    setup_file: str,
    laws: int | None,
    seeds: int,
    out: Path | None,
    minutes: float | None,
    package: bool,
    address: str | None,
    gpus_per_trial: float | None,
    workers: int | None,
) -> None:
    """Tabulate the trials of a setup's search space."""
    from rich.console import Console

    from mi_tune.setup import make_setup, read_setup

    file = file_of(setup_file)
    setup = make_setup(read_setup(file), str(file))

    from mi_tune.replay.tabulation.run import TabulateOptions  # imports Ray and torch: only once the input makes sense
    from mi_tune.replay.tabulation.run import tabulate as run

    options = TabulateOptions(
        laws=laws or DESIGN_SIZES.get(setup.name, OTHER_SIZE),
        seeds=seeds,
        minutes=minutes,
        package=package,
        address=address,
        gpus_per_trial=gpus_per_trial,
        workers=workers,
    )
    console = Console()
    outcome = run(setup, 0, out or Path("results") / "tabulated" / setup.name, options, console)
    if not outcome.finished:
        text = f"{outcome.complete} of {outcome.laws} laws are complete; the same command goes on"
        console.print(text, highlight=False)


if __name__ == "__main__":
    sys.exit(run_command(tabulate))
