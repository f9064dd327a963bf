"""`mi-tune`: every command under one name."""

from __future__ import annotations

import importlib
import sys

import click

import mi_tune
from mi_tune.runtime.command import SETTINGS, run_command
from mi_tune.runtime.wording import did_you_mean

COMMANDS = {
    "pareto": ("studies.commands.pareto", "pareto"),
    "attack": ("studies.commands.attack", "attack"),
    "confirm": ("studies.commands.confirm", "confirm"),
    "partial-erasure": ("studies.commands.partial_erasure", "command"),
    "location": ("studies.commands.location", "command"),
    "watch": ("studies.commands.watch", "watch"),
    "compare": ("studies.commands.compare_studies", "compare"),
    "report": ("analysis.__main__", "report"),
    "data": ("studies.commands.data_sets", "data"),
    "setups": ("studies.commands.setup_files", "setups"),
}
"""Module and name of every command, in the order in which one needs them."""


class Commands(click.Group):
    """Commands that are imported when they are asked for, so that help and completion are quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name. Raises a usage error that offers near names if there is none."""
        if cmd_name not in COMMANDS:
            raise click.UsageError(f"no command '{cmd_name}'; {did_you_mean(cmd_name, COMMANDS, most=2)}")
        module, name = COMMANDS[cmd_name]
        found = getattr(importlib.import_module(module), name)
        assert isinstance(found, click.Command)
        return found


@click.group(cls=Commands, context_settings=SETTINGS, invoke_without_command=True)
@click.version_option(mi_tune.__version__, package_name="mi_tune", prog_name="mi-tune")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Which Random Erasing to train with, how much privacy it buys against model inversion, and what it costs."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> None:
    """Entry point of the console command."""
    sys.exit(run_command(cli, name="mi-tune"))
