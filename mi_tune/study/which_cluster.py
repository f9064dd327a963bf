"""Which Ray cluster a study uses, and where Ray puts its files. Runs before Ray is started."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mi_tune.runtime.errors import InputError

ANSWER_SECONDS = 5.0
"""How long a cluster's head may take to accept a connection."""
LONGEST_PLACE = 45
"""Characters of a folder in which Ray's sockets still have paths that the system allows (107), behind the name of the
session."""


@dataclass(frozen=True)
class Choice:
    """A cluster, and why it was chosen.

    Args:
        address: of its head; None is a private one on this machine. reason: for the first line of a study.
        named: the option or variable that named it, with the value as it was typed.
    """

    address: str | None
    reason: str
    named: str = ""

    def __str__(self) -> str:
        place = "a private one on this machine" if self.address is None else f"the one at {self.address}"
        return f"Ray cluster: {place}{f' ({self.reason})' if self.reason else ''}"


def choose_cluster(address: str | None, environment: Mapping[str, str] = os.environ) -> Choice:
    """Decide between the option `--address`, Ray's own variable RAY_ADDRESS, and a private cluster.

    Ray sets RAY_ADDRESS for every job that is submitted to a cluster. The option wins; `local` is a private cluster.

    Raises InputError for an address of Ray's client (`ray://`), or a head that does not answer.
    """
    if address is not None:
        chosen, named, reason = address, f"--address {address}", "--address"
    else:
        chosen = environment.get("RAY_ADDRESS", "").strip() or "local"
        named, reason = f"RAY_ADDRESS={chosen}", "RAY_ADDRESS" if chosen != "local" else ""
    if chosen == "local":
        return Choice(None, reason, named)
    if chosen.startswith("ray://"):
        raise InputError(
            f"{named}: Ray's client cannot run a study; run it on the cluster instead: ray job submit --working-dir . "
            "-- python studies/pareto.py, or on a node with --address auto"
        )
    if chosen != "auto":
        _require_answer(chosen, named)
    return Choice(chosen, reason, named)


def _require_answer(address: str, named: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(f"{named}: not an address; give HOST:PORT of the cluster's head, auto, or local")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise InputError(
            f"{named}: no Ray cluster answers there ({error.strerror or error}); start one with 'ray start --head', or "
            "use --address local"
        ) from error


def place_for_ray(candidates: Iterable[Path] | None = None) -> str | None:
    """A folder for the files of a private cluster; None if Ray's own choice will do.

    Ray's own choice is `ray` in the temporary folder (TMPDIR), where its sockets may get paths longer than the system
    allows, or with letters that Ray cannot encode, or another user's folder may be in the way.

    Args:
        candidates: folders to try in place of Ray's own.

    Raises:
        InputError: no folder is short enough and can be written to.
    """
    if os.environ.get("RAY_TMPDIR"):
        return None
    usual = Path(tempfile.gettempdir()) / "ray"
    if _fits(usual):
        return None
    own = f"ray-{os.getuid()}"
    tried = list(candidates) if candidates is not None else [Path(p) / own for p in ("/tmp", "/var/tmp", "/dev/shm")]
    for place in (*tried, *_home()):
        if _fits(place):
            return str(place)
    raise InputError(
        f"{usual}: too long for Ray's sockets, not in ASCII, or not writable, and no other folder will do; set "
        f"RAY_TMPDIR to a folder of yours whose path has at most {LONGEST_PLACE} characters"
    )


def _home() -> list[Path]:
    try:
        return [Path.home() / ".ray"]
    except RuntimeError:  # the user has none
        return []


def _fits(place: Path) -> bool:
    # Ray's native part takes paths in ASCII only, whatever the locale
    if len(os.fsencode(place)) > LONGEST_PLACE or not str(place).isascii():
        return False
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False
