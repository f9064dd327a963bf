"""The line that a user would type next, in the words of the door that was used."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Console

SCRIPTS = {
    "pareto": "pareto.py",
    "attack": "attack.py",
    "confirm": "confirm.py",
    "compare": "compare_studies.py",
    "location": "location.py",
    "partial-erasure": "partial_erasure.py",
}
"""Commands of `mi-tune` that are scripts too."""


def line(command: str, *arguments: str | Path) -> str:
    """The command line of another command, to be typed in the same place as this process was started from.

    After `.venv/bin/python studies/pareto.py` it is `.venv/bin/python studies/confirm.py ...`, after `mi-tune pareto`
    it is `mi-tune confirm ...`.
    """
    given = [str(argument) for argument in arguments]
    script = Path(sys.argv[0])
    if script.suffix == ".py" and command in SCRIPTS and script.name in SCRIPTS.values():
        return shlex.join([sys.orig_argv[0], str(script.with_name(SCRIPTS[command])), *given])
    if script.name == "__main__.py" and command == "report":
        return shlex.join([sys.orig_argv[0], "-m", "analysis", *given])
    on_path = shutil.which("mi-tune")
    beside = Path(sys.executable).with_name("mi-tune")
    program = "mi-tune" if (on_path and Path(on_path) == beside) or not beside.exists() else str(_near(beside))
    return shlex.join([program, command, *given])


def say_next(console: Console, why: str, command: str, *arguments: str | Path) -> None:
    """Print what one would do next, and the line to type."""
    console.print(f"next, {why}:", style="dim", highlight=False, markup=False)
    console.print(f"  {line(command, *arguments)}", highlight=False, markup=False, soft_wrap=True)


def short(folder: Path) -> Path:
    """A path relative to the working directory where it lies in it."""
    return _near(folder.absolute())


def _near(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
