"""Journal file backend that writes many log entries at once and reads its own entries back from memory."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend, JournalFileSymlinkLock


class JournalFile(BaseJournalBackend):
    """A journal file in Optuna's own format and under its own lock, for one process that writes many attributes.

    Optuna's backend locks, writes, synchronises and rereads the file for every attribute of a trial, which takes
    milliseconds each time. Here all entries logged inside `batch_writes` are written to the disk together when it ends.

    Other processes may read the file at any time and append notes to it; only one process may create trials.

    An incomplete last line, left by a full disk or a loss of power, is removed when the file is opened: its entry was
    never confirmed, and entries appended after it could not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = JournalFileSymlinkLock(str(path))
        self._unread: deque[str | bytes] = deque()
        self._batch: list[str] | None = None
        self._bytes_known = 0  # of the file, read or written
        self._entries_read = 0
        with self._locked():
            path.touch()
            complete = _complete_lines(path)
            if complete < path.stat().st_size:
                os.truncate(path, complete)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def batch_writes(self) -> Iterator[None]:
        """Context whose log entries are written together at its end, even if that is an exception."""
        if self._batch is not None:
            yield
            return
        self._batch = []
        try:
            yield
        finally:
            lines, self._batch = self._batch, None
            if lines:
                self._write(lines)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        if self._batch is None:
            self._write(lines)
        else:
            self._batch += lines
        self._unread.extend(lines)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yield the entries from `log_number_from` on, which must be the number of entries read so far."""
        if log_number_from != self._entries_read:
            raise ValueError(
                f"log entry {log_number_from} was requested after {self._entries_read} were read; "
                "only one storage may read a JournalFile"
            )
        if self._batch is None:
            self._read_others()
        while self._unread:
            self._entries_read += 1
            yield json.loads(self._unread.popleft())

    def _write(self, lines: list[str]) -> None:
        with self._locked():
            self._read_others()
            data = ("\n".join(lines) + "\n").encode()
            with self.path.open("ab", buffering=0) as file:
                try:
                    written = 0
                    while written < len(data):
                        written += file.write(data[written:])
                    os.fsync(file.fileno())
                except OSError:
                    # an incomplete line would make the next entry unreadable
                    os.truncate(self.path, self._bytes_known)
                    raise
            self._bytes_known += len(data)

    def _read_others(self) -> None:
        """Read the entries that other processes have written."""
        if self.path.stat().st_size > self._bytes_known:
            with self.path.open("rb") as file:
                file.seek(self._bytes_known)
                data = file.read()
            complete = data.rfind(b"\n") + 1
            self._unread.extend(data[:complete].splitlines())
            self._bytes_known += complete


def _complete_lines(path: Path) -> int:
    """Number of bytes of a file up to the end of its last complete line."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for start in range(size - 1, -1, -(2**16)):
            first = max(0, start - 2**16 + 1)
            file.seek(first)
            found = file.read(start - first + 1).rfind(b"\n")
            if found >= 0:
                return first + found + 1
    return 0
