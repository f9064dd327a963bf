"""Whether the packages that are installed beside mi_tune are the ones that Python finds.

`analysis` and `studies` are common names: another one on PYTHONPATH or in the working directory can hide ours.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import mi_tune
from mi_tune.runtime.errors import InputError


def check_packages(*names: str) -> None:
    """Check that each package lies beside mi_tune, without importing it.

    Raises:
        InputError: another one is found first, or none. The message names the file or folder.
    """
    home = Path(mi_tune.__file__).resolve().parent.parent
    for name in names:
        places = _places(name)
        if home / name not in [place.resolve() for place in places]:
            found = f"{places[0]} hides it; rename that, or leave its folder out of PYTHONPATH" if places else "missing"
            raise InputError(f"the package '{name}' of mi_tune ({home / name}) is not found: {found}")


def exit_if_hidden(*names: str) -> None:
    """End the process with one line and status 2 if `check_packages` raises."""
    try:
        check_packages(*names)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _places(name: str) -> list[Path]:
    """The folders of the package that Python would import, or the file if it is a module."""
    spec = find_spec(name)
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(place) for place in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.origin else []
