"""Simulated studies that are kept: hours of another framework's suggestions need not be spent twice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

import mi_tune
from mi_tune.replay.simulator import Trace
from mi_tune.runtime.cache import content_key, save_atomically

CODE = ("setup.py", *(f"{room}/**/*.py" for room in ("runtime", "erasing", "search", "study", "replay")))
"""Files of the package that decide what comes out."""
MODEL = ("condense.py", "front_model.py", "improvement.py", "nehvi.py")
"""Those of them that decide nothing where a search does not ask our model."""
LIBRARIES = ("numpy", "scipy", "optuna", "torch", "gpytorch", "ax-platform", "botorch", "syne-tune")
"""Packages that do, as far as they are installed."""


def kept_trace(folder: Path | None, what: dict[str, Any], modelled: bool, make: Callable[[], Trace]) -> Trace:
    """The trace of a simulated study, from the folder if it is there, else made and left there.

    Args:
        folder: None keeps nothing. what: plain values that tell the study from every other. With the code of searches
            and replay and the versions below it they name the file: neither, changed, ever meets an old trace.
        modelled: whether the search asks our model. The trace of one that does not outlives changes of the model.
    """
    if folder is None:
        return make()
    path = folder / f"{content_key(what, _code(modelled), _versions())}.npz"
    try:
        with np.load(path) as held:
            events = pd.DataFrame({name: held[f"events/{name}"] for name in held["columns"]})
            return Trace(events, held["suggestion_seconds"])
    except (OSError, ValueError, KeyError, BadZipFile):  # missing, or damaged
        trace = make()
    columns = {f"events/{name}": np.array(values.tolist()) for name, values in trace.events.items()}
    arrays = {"columns": np.array(trace.events.columns.tolist()), "suggestion_seconds": trace.suggestion_seconds}
    folder.mkdir(parents=True, exist_ok=True)
    save_atomically(path, lambda p: _save(p, arrays | columns))
    return trace


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with path.open("wb") as file:  # numpy would add a suffix to a name
        np.savez_compressed(file, **arrays)


def code_files(modelled: bool = True) -> list[Path]:
    """The files of CODE, those of MODEL among them where the model is asked."""
    root = Path(mi_tune.__file__).parent
    found = [path for pattern in CODE for path in sorted(root.glob(pattern))]
    return [path for path in found if modelled or path.name not in MODEL]


@cache
def _code(modelled: bool) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in code_files(modelled)]


@cache
def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
