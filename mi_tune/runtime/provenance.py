"""Where the numbers of a folder come from: time, command line, versions, machine and precision."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

import torch

from mi_tune import __version__
from mi_tune.runtime.device import precision

RECORDED = ("torch", "torchvision", "ray", "optuna", "numpy", "scipy", "plotly")
"""Packages whose versions every folder records."""


class Machine(TypedDict):
    """The machine that wrote the description; workers may run on others."""

    processor: str
    cores: int | None
    device: str


class Provenance(TypedDict):
    """What every description records beside its own content.

    Keys: `created`, ISO 8601 in UTC; `command`, see `command_line`; `versions`, by package; `machine`; `precision` of
    the networks on this machine.
    """

    created: str
    command: str
    versions: dict[str, str]
    machine: Machine
    precision: str


def provenance(device: torch.device) -> Provenance:
    """The provenance of what this process writes now.

    Args:
        device: that this process computes on.
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command_line(),
        "versions": {
            "mi_tune": __version__,
            "python": platform.python_version(),
            **installed_versions(RECORDED),
            "torch": str(torch.__version__),  # names the build, such as +cpu, which the package's own may leave out
        },
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        },
        "precision": str(precision(device)).removeprefix("torch."),
    }


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of those of `packages` that are installed."""
    found = {}
    for name in packages:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def command_line() -> str:
    """The command line of this process, to be typed again. Of absolute paths only the last part is kept.

    Folders are handed on, and where they lay on somebody's disk is nobody else's business.
    """
    script = Path(sys.argv[0])
    if script.name == "__main__.py":
        program = f"python -m {script.parent.name}"
    else:
        near = script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else Path(_short(str(script)))
        program = f"python {shlex.quote(str(near))}" if script.suffix == ".py" else script.name
    return " ".join([program, *(shlex.quote(_short(argument)) for argument in sys.argv[1:])])


def _short(argument: str) -> str:
    option, equals, value = argument.partition("=") if argument.startswith("-") else ("", "", argument)
    return f"{option}{equals}.../{Path(value).name}" if Path(value).is_absolute() else argument
