"""The file of a study's journal: what belongs together is written together, and read back from memory."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend, JournalFileSymlinkLock
from optuna.storages.journal._file import get_lock_file


class JournalFile(BaseJournalBackend):
    """A journal file in Optuna's own format and under its own lock, for one process that writes many attributes.

    Optuna's backend locks, writes, synchronises and reads the file back for every attribute of a trial; each costs
    milliseconds. Here all that is written inside `together` goes to the disk at once when it ends.

    Others may read the file at any time, and write notes into it; trials are made by one process.

    A last line that was torn, by a full disk or a loss of power, is dropped when the file is opened: it is part of
    what was never confirmed, and whatever was appended to it could not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = JournalFileSymlinkLock(str(path))
        self._unread: deque[str | bytes] = deque()
        self._gathered: list[str] | None = None
        self._known = 0  # bytes of the file that were read or written
        self._handed = 0
        with get_lock_file(self._lock):
            path.touch()
            whole = _whole_lines(path)
            if whole < path.stat().st_size:
                os.truncate(path, whole)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what is logged inside at once, at the end, also if that is an error."""
        if self._gathered is not None:
            yield
            return
        self._gathered = []
        try:
            yield
        finally:
            lines, self._gathered = self._gathered, None
            if lines:
                self._write(lines)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        if self._gathered is None:
            self._write(lines)
        else:
            self._gathered += lines
        self._unread.extend(lines)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The logs that were not read yet; it is the caller's own count that says so."""
        if log_number_from != self._handed:
            raise ValueError(
                f"log {log_number_from} is asked for, and {self._handed} were read; one storage reads them"
            )
        if self._gathered is None:
            self._take_others()
        while self._unread:
            self._handed += 1
            yield json.loads(self._unread.popleft())

    def _write(self, lines: list[str]) -> None:
        with get_lock_file(self._lock):
            self._take_others()
            data = ("\n".join(lines) + "\n").encode()
            with self.path.open("ab", buffering=0) as file:
                try:
                    written = 0
                    while written < len(data):
                        written += file.write(data[written:])
                    os.fsync(file.fileno())
                except OSError:
                    # half a line must not stand before the next one
                    os.truncate(self.path, self._known)
                    raise
            self._known += len(data)

    def _take_others(self) -> None:
        """Take up what other processes have written."""
        if self.path.stat().st_size > self._known:
            with self.path.open("rb") as file:
                file.seek(self._known)
                data = file.read()
            whole = data.rfind(b"\n") + 1
            self._unread.extend(data[:whole].splitlines())
            self._known += whole


def _whole_lines(path: Path) -> int:
    """Bytes of a file up to the end of its last whole line."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for start in range(size - 1, -1, -(2**16)):
            first = max(0, start - 2**16 + 1)
            file.seek(first)
            found = file.read(start - first + 1).rfind(b"\n")
            if found >= 0:
                return first + found + 1
    return 0
