"""What all commands share: the form of their help, one-line errors, and exit statuses."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from mi_tune.runtime.errors import InputError

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "show_default": True}
"""Settings of the click context of every command."""


class Interrupted(click.ClickException):
    """The user pressed Ctrl-C. The message says which work was kept."""


class Command(click.Command):
    """A click command that says which work was kept when the user presses Ctrl-C.

    Args:
        kept: half a sentence for that user, shown after "interrupted; ".
    """

    def __init__(
        self, *arguments: Any, kept: str = "finished work is kept: the same command continues", **options: Any
    ) -> None:
        super().__init__(*arguments, **{"context_settings": SETTINGS} | options)
        self.kept = kept

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command's function. Raises Interrupted on Ctrl-C."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            raise Interrupted(self.kept) from None


def run_command(command: click.Command, arguments: Sequence[str] | None = None, name: str | None = None) -> int:
    """Run a command and return its exit status: 0, 2 for wrong input (one line on stderr), 130 after Ctrl-C.

    Args:
        arguments: by default those of the command line.
        name: name of the program in its help, by default the name it was called by.
    """
    try:
        command.main(arguments, prog_name=name, standalone_mode=False)
        return 0
    except Interrupted as interrupted:
        print(f"interrupted; {interrupted.message}", file=sys.stderr)
        return 130
    except click.ClickException as error:
        print(f"error: {' '.join(error.format_message().split())}", file=sys.stderr)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except (KeyboardInterrupt, click.Abort):
        print("interrupted", file=sys.stderr)
        return 130
    return 2
