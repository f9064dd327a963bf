"""The processes of a Ray that this process has started, so that none of them is left when it ends."""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from pathlib import Path

PATIENCE_SECONDS = 3.0
"""How long processes may take to end by themselves."""


class Processes:
    """What this process has started since, and whatever that starts: made before Ray is started, and told by `started`
    that it has been.

    A worker of a Ray that was killed becomes nobody's child, so `look` has to be called while the tree is whole. A
    process is known by its number and the time it started: a number is given again once its process has ended. What
    others start from this process later, such as a tracker, is left alone.
    """

    def __init__(self) -> None:
        self._known: dict[int, str] = {}
        self._roots: dict[int, str] = {}
        self._before = _descendants(os.getpid())

    def started(self) -> None:
        """Take in what has been started since."""
        new = {pid: start for pid, start in _descendants(os.getpid()).items() if pid not in self._before}
        self._roots |= new
        self._known |= new

    def look(self) -> None:
        """Take in what those have started in the meantime."""
        for pid, start in self._roots.items():
            if _stat(pid).get("start") == start:
                self._known |= _descendants(pid)

    def alive(self) -> list[int]:
        """Those that have not ended."""
        return [pid for pid, start in self._known.items() if _stat(pid).get("start") == start]

    def end(self, patience: float = PATIENCE_SECONDS) -> None:
        """Wait until they have ended, and kill those that have not."""
        until = time.monotonic() + patience
        while self.alive() and time.monotonic() < until:
            time.sleep(0.05)
        for pid in self.alive():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:  # it has ended in between, or has become another user's
                continue


def _descendants(root: int) -> dict[int, str]:
    """Start times of the descendants of a process, by number; empty where there is no /proc."""
    children: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        if found := _stat(pid):
            children[int(found["parent"])].append((pid, found["start"]))
    known, todo = dict[int, str](), [root]
    while todo:
        for pid, start in children.get(todo.pop(), []):
            if pid not in known:
                known[pid] = start
                todo.append(pid)
    return known


def _stat(pid: int) -> dict[str, str]:
    """Parent and start time of a process; empty if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return {}
    # the name, in brackets, may contain anything; fields after it are counted from the third
    fields = text.rpartition(")")[2].split()
    return {} if fields[0] in "ZX" else {"parent": fields[1], "start": fields[19]}
