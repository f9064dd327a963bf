"""How every command of the studies ends."""

from __future__ import annotations

import sys

import click

from mi_tune.errors import InputError

GOES_ON = "whatever had finished is kept: the same command goes on"


def run_command(command: click.Command, interrupted: str = GOES_ON) -> int:
    """Run the command; every foreseen problem is one line and exit status 2, an interruption says what is kept: 130."""
    try:
        command.main(standalone_mode=False)
        return 0
    except click.ClickException as error:
        print(f"error: {' '.join(error.format_message().split())}", file=sys.stderr)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except (KeyboardInterrupt, click.Abort):
        print(f"interrupted; {interrupted}", file=sys.stderr)
        return 130
    return 2
