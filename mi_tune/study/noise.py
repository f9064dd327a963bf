"""What Ray prints of its own accord goes to a file, so that a study says only what is meant for its user."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

RAY_THREADS = "ray_"
"""Names of the threads in which Ray prints messages of its processes begin so."""


class _Sieve(io.TextIOBase):
    """A stream without what Ray's own threads write, which goes to the log."""

    def __init__(self, stream: TextIO, log: TextIO) -> None:
        self._stream, self._log = stream, log

    def retire(self, stream: TextIO) -> None:
        """Pass everything on to the stream from now on."""
        self._stream = self._log = stream

    def _target(self) -> TextIO:
        return self._log if threading.current_thread().name.startswith(RAY_THREADS) else self._stream

    def write(self, text: str) -> int:
        return self._target().write(text)

    def flush(self) -> None:
        self._target().flush()

    def isatty(self) -> bool:
        return not self._stream.closed and self._stream.isatty()  # asked at the exit of the process, too

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def ray_prints_to(path: Path | None) -> Iterator[TextIO]:
    """Within it, what Ray's threads and its native code print is appended to the file; None changes nothing. Yields a
    stream to that file.

    Native code writes to the file descriptor of standard error. Python's own `sys.stderr` goes on to where it went. A
    file that cannot be written changes nothing either.
    """
    log = None
    if path is not None:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            log = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
    if log is None:
        yield io.StringIO()
        return
    out, err = sys.stdout, sys.stderr
    native = _is_descriptor_2(err)
    kept = os.dup(2) if native else -1
    own = os.fdopen(os.dup(2), "w", buffering=1, encoding=err.encoding, errors=err.errors) if native else err
    sieves = _Sieve(out, log), _Sieve(own, log)
    try:
        if native:
            err.flush()
            os.dup2(log.fileno(), 2)
        sys.stdout, sys.stderr = sieves
        yield log
    finally:
        with suppress(OSError, ValueError):
            own.flush()
        sys.stdout, sys.stderr = out, err
        for sieve, stream in zip(sieves, (out, err), strict=True):
            sieve.retire(stream)  # Ray may still hold it
        if native:
            os.dup2(kept, 2)
            os.close(kept)
            own.close()
        log.close()


def _is_descriptor_2(stream: Any) -> bool:
    try:
        return stream.fileno() == 2
    except (AttributeError, OSError, ValueError):
        return False
