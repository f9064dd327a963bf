"""Which of my studies found more, and when? `python studies/compare_studies.py results/orl results/orl_gp`

Printed and drawn: the hypervolume that each study had found after a quarter, half, three quarters and all of the time
of the shortest one. `measured` is that of the measured means, which luck lifts, the more the fewer targets a trial has;
`expected` that of what the search's model expects of the same laws. With `--table`, of a table of trials of the same
data, also `true`: what the laws that the study would recommend are worth by that table.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from analysis.pages import write_comparison
from analysis.statistics import load_study
from analysis.statistics.found import found_over_time, hypervolume_at
from mi_tune.replay.surface import load_surface
from mi_tune.replay.tables import table_path
from mi_tune.runtime.command import Command
from studies.commands.next_step import say_next, short

MEANINGS = {
    "true": "true hypervolume of the recommended laws",
    "expected": "hypervolume that the model expects",
    "measured": "hypervolume as measured",
}
TIMES = (0.25, 0.5, 0.75, 1.0)


@click.command(name="compare", cls=Command, kept="nothing is lost")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--table", help="A name in mi_tune/replay/tables, or the path of a .parquet: of the studies' own data.")
@click.option("--kept", default=0.8, type=click.FloatRange(0, 1), help="The floor of `true`, as a share of no defence.")
@click.option("--page", type=click.Path(path_type=Path), default=Path("studies.html"), help="Page to write.")
def compare(folders: tuple[Path, ...], table: str | None, kept: float, page: Path) -> None:
    """Compare studies: their fronts, what they found by when, their recommended laws and their set-ups."""
    folders = tuple(dict.fromkeys(folder.resolve() for folder in folders))
    studies = dict(zip(_labels(folders), map(load_study, folders), strict=True))
    surface = None
    if table is not None:
        surface = load_surface(table_path(table))
    floor = surface.floor(kept) if surface is not None else 0.0
    found = {name: found_over_time(study, surface, floor) for name, study in studies.items()}
    console = Console(width=150)
    end = min(one.minutes.iloc[-1] for one in found.values())
    shown = {column: meaning for column, meaning in MEANINGS.items() if surface is not None or column != "true"}
    for column, meaning in shown.items():
        lines = Table(title=meaning, box=box.SIMPLE, padding=(0, 1))
        lines.add_column("study", no_wrap=True)
        for name in (*(f"{share * end:.1f} min" for share in TIMES), "at its end", "trials", "worker minutes"):
            lines.add_column(name, justify="right", no_wrap=True)
        for name, one in found.items():
            values = [hypervolume_at(one, share * end + 1e-9, column) for share in TIMES] + [one[column].iloc[-1]]
            lines.add_row(name, *(f"{v:.3f}" for v in values), str(len(one)), f"{one.cost.iloc[-1] / 60:.1f}")
        console.print(lines)
    if surface is not None:
        console.print(f"best possible by the table: {surface.best_hypervolume(floor):.3f}", highlight=False)
    console.print(write_comparison(page, studies, found, shown), highlight=False)
    console.print(f"page: {page}", highlight=False, soft_wrap=True)
    best = max(found, key=lambda name: found[name]["expected"].iloc[-1])
    say_next(console, "confirm the one that found most", "confirm", short(folders[list(found).index(best)]))


def _labels(folders: Sequence[Path]) -> list[str]:
    """The folders' names, each with as many of those above it as tell it from the others."""
    labels = []
    for folder in folders:
        depth = 1
        while sum(other.parts[-depth:] == folder.parts[-depth:] for other in folders) > 1:
            depth += 1
        labels.append("/".join(folder.parts[-depth:]))
    return labels
