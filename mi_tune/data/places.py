"""Where a user's images are, in one word: a folder, a file of arrays, a loader, or a data set by name."""

from __future__ import annotations

from pathlib import Path

from mi_tune.data.named import DATA_SETS
from mi_tune.runtime.imported import checked_factory


def is_name(place: str | Path) -> bool:
    """Whether a place is the name of a data set; `./celeba` is a folder of that name."""
    return str(place) in DATA_SETS


def is_loader(place: str | Path) -> bool:
    """Whether a place is `package.module:load` or `path/to/file.py:load`."""
    before, colon, name = str(place).rpartition(":")
    return bool(colon) and name.isidentifier() and (before.endswith(".py") or not Path(place).exists())


def absolute_place(place: str | Path) -> str:
    """A place that means the same in another working directory. Raises ValueError for a loader that cannot be one."""
    if is_name(place):
        return str(place)
    return checked_factory(str(place)) if is_loader(place) else str(Path(place).absolute())
