"""What all commands share: the form of their help, one-line errors, and exit statuses."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from mi_tune.runtime.errors import InputError, LostClusterError
from mi_tune.runtime.signals import Ended, ending

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "show_default": True}
"""Settings of the click context of every command."""

_running = False


class Interrupted(click.ClickException):
    """The user pressed Ctrl-C, or another signal ended the command. The message says which work was kept.

    Args:
        status: exit status, 128 + the signal's number.
    """

    def __init__(self, message: str, status: int = 128 + signal.SIGINT) -> None:
        super().__init__(message)
        self.status = status


class Command(click.Command):
    """A click command that says which work was kept when a signal ends it, such as Ctrl-C.

    Args:
        kept: half a sentence for that user, shown after "interrupted; ".
    """

    def __init__(
        self, *arguments: Any, kept: str = "finished work is kept: the same command continues", **options: Any
    ) -> None:
        super().__init__(*arguments, **{"context_settings": SETTINGS} | options)
        self.kept = kept

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command's function. Raises Interrupted if a signal ends it."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort) as error:
            raise Interrupted(self.kept, _status(error)) from None


def run_command(command: click.Command, arguments: Sequence[str] | None = None, name: str | None = None) -> int:
    """Run a command and return its exit status: 0, 2 for wrong input (one line on stderr), 128 + the number of a signal
    that ended it (SIGINT, SIGTERM and SIGHUP alike).

    Args:
        arguments: by default those of the command line.
        name: name of the program in its help, by default the name it was called by.
    """
    global _running
    _running = True
    with ending():
        try:
            command.main(arguments, prog_name=name, standalone_mode=False)
            return 0
        except Interrupted as interrupted:
            print(f"interrupted; {interrupted.message}", file=sys.stderr)
            return interrupted.status
        except click.ClickException as error:
            print(f"error: {' '.join(error.format_message().split())}", file=sys.stderr)
        except LostClusterError as error:
            abandon(error)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
        except (KeyboardInterrupt, click.Abort) as error:
            print("interrupted", file=sys.stderr)
            return _status(error)
        finally:
            _running = False
        return 2


def is_command() -> bool:
    """Whether this process runs a command, and so may be ended by it."""
    return _running


def abandon(error: LostClusterError) -> NoReturn:
    """Say the error and end the process at once: what waits for the cluster would hold up or abort the usual end."""
    print(f"error: {error}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(2)


def _status(error: BaseException) -> int:
    return error.status if isinstance(error, Ended) else 128 + signal.SIGINT
