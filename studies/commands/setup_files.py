"""List the set-up files that come with the project: `mi-tune setups`."""

from __future__ import annotations

from pathlib import Path

import click
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from mi_tune.library.setup_files import SETUPS, setup_file
from mi_tune.paper import PublishedFigure
from mi_tune.runtime.command import Command
from mi_tune.setup import Setup
from studies.commands.next_step import say_next

PAPER = "paper"
"""Folder of the published set-ups."""


def about(file: Path) -> str:
    """What a set-up file says of itself: the comment at its head, in one paragraph."""
    head = []
    for text in file.read_text(encoding="utf-8").splitlines():
        if not text.startswith("#"):
            break
        head.append(text.lstrip("# "))
    return " ".join(head)


@click.command(cls=Command)
@click.argument("name", required=False)
def setups(name: str | None) -> None:
    """List the set-ups that --setup knows by name; or all that is known of one of them.

    Operations are counted from the networks' shapes, hours are those operations at the speed that this machine reaches
    in half a second of training: they leave out loading and GANs that an attack trains.
    """
    console = Console()
    if name is not None:
        _tell(console, name)
        return
    table = Table(box=box.SIMPLE, padding=(0, 1))
    for title in ("set-up", "trials", "what it is"):
        table.add_column(title)
    for file in sorted(SETUPS.glob("*.yaml")):
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        table.add_row(file.stem, str(values.get("search", {}).get("trials", "")), about(file))
    console.print(table)
    _list_published(console)
    say_next(console, "run one of them", "pareto", "--setup", "orl")
    say_next(console, "see that the parts of a published one work", "pareto", "--setup", _example(), "--twin")
    say_next(console, "read where its fields come from", "setups", _example())


def _example() -> str:
    return f"{PAPER}/ppa-resnet18-facescrub-ffhq"


def _list_published(console: Console) -> None:
    from mi_tune.library.costs import cost_of, machine_gigabytes, measured_teraflops
    from mi_tune.library.setups import build_setup
    from mi_tune.runtime.device import pick_device

    device = pick_device()
    speed, memory = measured_teraflops(device), machine_gigabytes(device)
    table = Table(box=box.SIMPLE, padding=(0, 1))
    for title in ("published set-up", "cell", "Pflop", "hours", "GB", "status"):
        table.add_column(title, no_wrap=title == "published set-up")
    for file in sorted((SETUPS / PAPER).glob("*.yaml")):
        setup = build_setup(file)
        cost = cost_of(setup)
        assert setup.paper is not None and cost is not None  # a test reads every file
        known = "" if cost.train is not None else "+"
        table.add_row(
            f"{PAPER}/{file.stem}",
            setup.paper.cell,
            f"{cost.teraflops / 1e3:.3g}{known}",
            f"{cost.teraflops / speed / 3600:.3g}{known}",
            f"{cost.gigabytes:.0f}",
            status(setup, cost.gigabytes, memory),
        )
    console.print(table)
    console.print(
        f"Pflop: operations of one law's training and attack (+: attack alone). hours: on this machine ({device.type}, "
        f"{speed * 1e3:.0f} gigaflops a second, {memory:.0f} GB). GB: memory that training a target needs. verified: "
        "one public code has this combination; axis: each part is verified, the combination is put together here.",
        highlight=False,
    )


def status(setup: Setup, gigabytes: float, memory: float) -> str:
    """Whether a published set-up can run on a machine: its data, and its memory in GiB."""
    sides = [side for side in (setup.data.private, setup.data.public) if side is not None]
    missing = sorted({str(side) for side in sides if not Path(side).exists()})
    found = [f"needs {gigabytes:.0f} GB"] if gigabytes > memory else []
    found += [f"no {', '.join(missing)}"] if missing else []
    return f"twin; {'; '.join(found)}" if found else "runs here"


def _tell(console: Console, name: str) -> None:
    """All that a published set-up's file says, in words."""
    from mi_tune.library.costs import cost_of
    from mi_tune.library.setups import build_setup

    setup = build_setup(setup_file(name))
    paper = setup.paper
    if paper is None:
        console.print(about(setup_file(name)), highlight=False, markup=False)
        return
    console.print(paper.title, style="bold", highlight=False, markup=False)
    table = Table(box=box.SIMPLE, padding=(0, 1))
    for title in ("field", "publication", "known", "from"):
        table.add_column(title, overflow="fold")
    for field, statement in paper.fields.items():
        table.add_row(field, statement.value or "", statement.status, statement.where)
    console.print(table)
    for figure in paper.figures:
        console.print(f"published, {figure_text(figure)}", highlight=False, markup=False, soft_wrap=True)
    for line in paper.differs:
        console.print(f"differs here: {line}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"needs: {', '.join(paper.needs)}", highlight=False, markup=False, soft_wrap=True)
    cost = cost_of(setup)
    if cost is not None:
        console.print(
            f"one law: {cost.forward:,} forward and {cost.backward:,} backward passes, {cost.teraflops / 1e3:.3g} "
            f"petaflop; training needs {cost.gigabytes:.1f} GB",
            highlight=False,
            soft_wrap=True,
        )
    say_next(console, "see that its parts work together", "pareto", "--setup", name, "--twin")


def figure_text(figure: PublishedFigure) -> str:
    """A published figure in words, with its budget and source."""
    names = {
        "natural_accuracy": "natural accuracy {:.1%}",
        "attack_accuracy": "attack accuracy {:.1%}",
        "natural_change": "natural accuracy {:+.1%}",
        "attack_change": "attack accuracy {:+.1%}",
    }
    told = [form.format(value) for key, form in names.items() if (value := getattr(figure, key)) is not None]
    return f"{figure.defence}: {', '.join(told)} ({figure.status}; {figure.where}; attack budget: {figure.budget})"
