"""The command line that the studies of one property share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mi_tune.defences.treatment import Treatment
from mi_tune.library.setup_files import setup_file
from mi_tune.runtime.command import Command
from mi_tune.runtime.errors import InputError
from studies.commands.next_step import say_next
from studies.commands.setup_options import DATA, RECOGNISER, takes_setup

ATTACKS = ("map_logit:4x", "taa:reduced", "eot_re:reduced")


def property_command(
    title: str, name: str, treatments: Callable[[float, int], dict[str, Treatment]], area: float, other: str, doc: str
) -> click.Command:
    """A command that runs `study_property` on the treatments of (area, resolution) and prints what it found.

    Args:
        name: of the folder of results. area: share of the pixels that every treatment erases by default.
        other: the command of the other property. doc: help text.
    """

    @click.command(name=name.replace("_", "-"), cls=Command, help=doc)
    @click.option("--area", type=float, default=area, help="Share of the pixels erased, in (0, 1).")
    @click.option("--setup", "setup_name", default="orl", help="A name in studies/setups, or a YAML file.")
    @takes_setup(*DATA, *RECOGNISER)
    @click.option("--seeds", type=click.IntRange(min=1), default=3, help="Targets of every training.")
    @click.option("--attacks", default=",".join(ATTACKS), help="Comma-separated, with :budget where it is not reduced.")
    @click.option("--seed", type=int, default=0, help="What all others are derived from.")
    @click.option("--out", type=click.Path(path_type=Path), default=Path("results"), help="Folder of the results.")
    @click.option("--address", help="Ray cluster to join; 'auto' for the one of this machine.")
    @click.option("--gpus-per-trial", type=click.FloatRange(min=0), help="GPUs of a job.  [default: 1 if any]")
    @click.option("--workers", type=click.IntRange(min=1), help="Jobs at a time.  [default: as many as fit]")
    def command(
        area: float,
        setup_name: str,
        given: dict[str, Any],
        seeds: int,
        attacks: str,
        seed: int,
        out: Path,
        address: str | None,
        gpus_per_trial: float | None,
        workers: int | None,
    ) -> None:
        from rich.console import Console

        from mi_tune.library.setups import by_key
        from mi_tune.setup import make_setup, read_setup
        from mi_tune.trial.attempts import check_attacks

        private, public = given["private"], given["public"]
        if (private is None) != (public is None):
            raise InputError("own images need both --private and --public")
        if private and setup_name == "orl":
            setup_name = "folder"
        file = setup_file(setup_name)
        setup = make_setup(read_setup(file), str(file), by_key(given))
        chosen = check_attacks([one.strip() for one in attacks.split(",") if one.strip()])
        if not chosen:
            raise InputError("--attacks names no attack; leave it out, or name one such as map_logit:4x")
        compared = treatments(area, setup.data.resolution)

        from mi_tune.confirmation.property_study import PropertyOptions, study_property  # imports Ray

        folder = out / f"{name}-{setup.name}"
        console = Console()
        options = PropertyOptions(seeds, chosen, address, gpus_per_trial, workers)
        study_property(setup, seed, title, compared, folder, options, console)

        from analysis.pages import property_table, write_property_report
        from analysis.statistics import load_property

        console.print(property_table(load_property(folder)))
        console.print(f"report: {write_property_report(folder)}", highlight=False, markup=False, soft_wrap=True)
        own = ["--private", private, "--public", public] if private and public else []
        say_next(console, "ask for the other property", other, *own)

    return command
