"""The two expected errors, wrong input and numbers that are not finite, and what a full disk looks like."""

from __future__ import annotations

import errno
import os
from pathlib import Path


class InputError(ValueError):
    """An input of the user cannot be used. The message is one line: what is wrong and how to correct it."""


class LostClusterError(InputError):
    """The cluster of a study is lost. The message says which part of it, and how to go on.

    Ray's threads may still wait for it, and end the process when they give up.
    """


def disk_is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that a disk or a quota is full."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        # torch's writer keeps only the text of the system's error
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or os.strerror(errno.ENOSPC) in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def error_of_the_disk(error: BaseException | None, folder: Path) -> OSError | None:
    """The system's error about a path in the folder that an error is, or came from; None if there is none."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        name = error.filename if isinstance(error, OSError) else None
        if isinstance(error, OSError) and isinstance(name, (str, bytes)):
            path = Path(os.fsdecode(name))
            if path == folder or folder in path.parents:
                return error
        error = error.__cause__ or error.__context__
    return None


class DivergedError(RuntimeError):
    """Training or an attack produced NaN or an infinite value. The message says where."""


def require(kept: bool, part: object, broken: str) -> None:
    """Raise InputError unless a part keeps a promise; the message names the part, by its class if it is no name."""
    if not kept:
        raise InputError(f"{part if isinstance(part, str) else type(part).__name__}: {broken}")
