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

from mi_tune.runtime.errors import InputError

LEFT = "left"
"""Key of an entry that says how many entries of the same batch follow it."""


class JournalFile(BaseJournalBackend):
    """A journal file in Optuna's own format and under its own lock, for one process that writes many attributes.

    Optuna's backend locks, writes, synchronises and rereads the file for every attribute of a trial, which takes
    milliseconds each time. Here all entries logged inside `batch_writes` are written to the disk together when it ends.

    Other processes may read the file at any time and append notes to it; only one process may create trials.

    Entries that are written together count together: each says how many of its batch follow it (`left`, which Optuna
    does not read). A batch of which the end is missing, or the end of a line, as a full disk or a loss of power leaves
    it, is removed when the file is opened: it was never confirmed, and half a trial can be neither run nor told.

    Raises:
        InputError: a line in the file cannot be read, so that it is no journal, or a damaged one.
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
            complete = _complete_batches(path)
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
            yield self._parsed(self._unread.popleft())

    def _parsed(self, line: str | bytes) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise InputError(
                f"{self.path}: entry {self._entries_read} is damaged; restore the file from a copy, or keep the lines "
                "before it (the trials after it are then run again)"
            )
        return found

    def _write(self, lines: list[str]) -> None:
        count = len(lines)
        lines = [*(f'{line[:-1]},"{LEFT}":{count - k}}}' for k, line in enumerate(lines[:-1], 1)), lines[-1]]
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


def _complete_batches(path: Path) -> int:
    """Number of bytes of a file up to the end of its last complete batch."""
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    last = _left(data[data.rfind(b"\n", 0, max(end - 1, 0)) + 1 : end]) if end else 0
    # the entries of an incomplete batch count down from its first to the last that is there
    expected = last
    while end and expected:
        start = data.rfind(b"\n", 0, end - 1) + 1
        if _left(data[start:end]) != expected:
            break
        end, expected = start, expected + 1
    return end


def _left(line: bytes) -> int:
    """How many entries of its batch follow a line; 0 if it cannot be read."""
    try:
        found = json.loads(line)
    except ValueError:
        return 0
    return int(found.get(LEFT, 0)) if isinstance(found, dict) else 0
