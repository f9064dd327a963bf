"""List the set-up files that come with the project: `mi-tune setups`."""

from __future__ import annotations

from pathlib import Path

import click
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from mi_tune.library.setup_files import SETUPS
from mi_tune.runtime.command import Command
from studies.commands.next_step import say_next


def about(file: Path) -> str:
    """What a set-up file says of itself: the comment at its head, in one paragraph."""
    head = []
    for text in file.read_text(encoding="utf-8").splitlines():
        if not text.startswith("#"):
            break
        head.append(text.lstrip("# "))
    return " ".join(head)


@click.command(cls=Command)
def setups() -> None:
    """List the set-ups that --setup knows by name."""
    console = Console()
    table = Table(box=box.SIMPLE, padding=(0, 1))
    for title in ("set-up", "trials", "what it is"):
        table.add_column(title)
    for file in sorted(SETUPS.glob("**/*.yaml")):
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        name = file.relative_to(SETUPS).with_suffix("").as_posix()
        table.add_row(name, str(values.get("search", {}).get("trials", "")), about(file))
    console.print(table)
    say_next(console, "run one of them", "pareto", "--setup", "orl")
