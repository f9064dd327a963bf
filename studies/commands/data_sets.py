"""List the data sets that can be given by name: `mi-tune data --data-root DIR`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from mi_tune.data.named import DATA_SETS, DataSet, amount
from mi_tune.runtime.command import Command
from mi_tune.runtime.errors import InputError
from studies.commands.next_step import say_next


@click.command(cls=Command)
@click.option(
    "--data-root", type=click.Path(path_type=Path), help="Folder of the data sets.  [default: only list them]"
)
def data(data_root: Path | None) -> None:
    """List the data sets by name: what is there, what is missing, where it comes from, its licence."""
    console = Console()
    root = data_root.absolute() if data_root else None
    if root is not None and not root.is_dir():
        raise InputError(f"{root}: no such folder; give the folder that holds the data sets (--data-root)")
    found = []
    for data_set in DATA_SETS.values():
        text, whole = describe(data_set, root)
        found += [data_set] if whole else []
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    private = next((one for one in found if one.identities), None)
    public = next((one for one in found if not one.identities), private)
    if private is None or public is None:
        say_next(console, "with your own folders", "pareto", "--private", "DIR", "--public", "DIR")
        return
    sides = ["--private", private.name, "--public", public.name, "--data-root", str(data_root)]
    say_next(console, "search laws for one of them", "pareto", *sides)


def describe(data_set: DataSet, root: Path | None) -> tuple[str, bool]:
    """What there is to know of a data set, in a few lines, and whether it can be used from this root."""
    whole = amount(data_set.identities, data_set.images)
    side = "private or public" if data_set.identities else "public only"
    lines = [f"{data_set.name} ({side}; {whole})"]
    usable = False
    if root is None:
        lines.append(f"layout: {data_set.folders[0]}/ with {data_set.layout}")
    elif (place := data_set.place(root)) is None:
        lines.append(f"missing: put {data_set.layout} into {root / data_set.folders[0]}")
    else:
        try:
            listing = data_set.listing(root)
            people = listing.identities if data_set.identities else None
            images = int(listing.counts.sum())
            share = "all of it" if (people, images) == (data_set.identities, data_set.images) else "not all of it"
            lines.append(f"found in {place}: {amount(people, images)}, {share}")
            lines += listing.notes
            usable = True
        except InputError as error:
            lines.append(f"cannot be used: {error}")
    lines += [f"from {data_set.origin}", data_set.licence]
    return "\n    ".join(lines), usable
