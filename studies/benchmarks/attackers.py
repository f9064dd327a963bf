"""Which attacker gets most out of targets trained with Random Erasing?

`python studies/benchmarks/attackers.py [--setup NAME]`

Every attack, or the chosen ones, against the same targets: no defence, MIDRE(0.1, 0.8) and a heavier law. One row an
attack: attack accuracy under each law with its 95 % interval over people, the mean difference to PPA over the
defended laws (paired by person), and what it cost. Everything computed is kept in the cache.
"""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mi_tune.attacks import PRESETS, make_attack, split_budget
from mi_tune.judging.intervals import signed, with_interval
from mi_tune.library.setup_files import setup_file
from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup, read_setup
from mi_tune.trial.attempts import Attempt
from mi_tune.trial.comparison import DEFENDED, LAWS, Results, compare


@click.command()
@click.option("--setup", "name", default="orl", show_default=True, help="A name in studies/setups, or a YAML file.")
@click.option("--attacks", "names", help="Comma-separated names, with :budget where it is not reduced.  [default: all]")
@click.option("--replicates", default=2, show_default=True, help="Targets per law.")
@click.option("--workers", default=2, show_default=True, help="Processes, one CPU thread each.")
@click.option("--csv", type=click.Path(path_type=Path), help="Write every cell to this file as well.")
def attackers(name: str, names: str | None, replicates: int, workers: int, csv: Path | None) -> None:
    """Print attack accuracy of every attack under every law."""
    file = setup_file(name)
    setup = make_setup(read_setup(file), str(file))
    try:
        attempts = {text: _attempt(text, setup.prior.kind) for text in (names.split(",") if names else PRESETS)}
    except InputError as error:
        raise click.ClickException(str(error)) from error
    if "ppa" not in attempts:
        attempts = {"ppa": _attempt("ppa", setup.prior.kind), **attempts}
    cells = compare(setup, LAWS, attempts, replicates, workers=workers)
    total = len(LAWS) * replicates * len(attempts)
    results = Results(list(track(cells, "attacks", total, console=Console(stderr=True))))
    if csv:
        results.table().to_csv(csv, index=False)
    natural = [f"{law}\n(natural {results.estimate(law, 'ppa', 'natural').value:.3f})" for law in LAWS]
    table = Table("attack", "access", *natural, "to ppa, defended", "passes", "seconds", box=None)
    for name, attempt in attempts.items():
        cost = [results.mean_cost("MIDRE(0.1, 0.8)", name, f"{d}_passes") for d in ("forward", "backward")]
        table.add_row(
            name,
            attempt.attack.access,
            *(with_interval(results.estimate(law, name)) for law in LAWS),
            "" if name == "ppa" else signed(results.difference(DEFENDED, name, "ppa")),
            f"{sum(cost) / 1000:.0f}k",
            f"{results.mean_cost('MIDRE(0.1, 0.8)', name, 'seconds'):.0f}",
        )
    Console(width=170).print(table)


def _attempt(text: str, prior: str) -> Attempt:
    attack = make_attack(*split_budget(text))
    return Attempt(attack, "dcgan" if attack.needs_discriminator else prior)


if __name__ == "__main__":
    attackers()
