"""Cache of simulated studies: the suggestions of another framework can take hours."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

import mi_tune
from mi_tune.replay.simulator import Trace
from mi_tune.runtime.cache import content_key, save_atomically
from mi_tune.runtime.provenance import installed_versions

CODE_PATTERNS = (
    *("trial/laws.py", "trial/point.py", "trial/table.py", "judging/intervals.py"),
    *(f"{room}/**/*.py" for room in ("runtime", "erasing", "setup", "search", "study", "replay")),
)
"""Files of the package that a trace depends on."""
MODEL_FILES = ("condense.py", "front_model.py", "improvement.py", "nehvi.py", "observations.py")
"""Those of them that matter only to methods that use our front model."""
LIBRARIES = ("numpy", "scipy", "optuna", "torch", "gpytorch", "ax-platform", "botorch", "syne-tune")
"""Packages that a trace depends on, as far as they are installed."""


def cached_trace(folder: Path | None, what: dict[str, Any], modelled: bool, make: Callable[[], Trace]) -> Trace:
    """The trace of a simulated study: read from the folder if it is there, else made and written there.

    Args:
        folder: None: no cache. what: plain values that identify the study. The file's name is a hash of them, of the
            code of search and replay, and of the versions of LIBRARIES, so that a change of any of these never finds an
            old trace.
        modelled: whether the method uses our front model. If not, its traces stay valid when MODEL_FILES change.
        make: simulates the study.
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
    with path.open("wb") as file:  # given a path, NumPy would add a suffix
        np.savez_compressed(file, allow_pickle=True, **arrays)


def code_files(modelled: bool = True) -> list[Path]:
    """The files of CODE_PATTERNS, without MODEL_FILES if the method does not use the model."""
    root = Path(mi_tune.__file__).parent
    found = [path for pattern in CODE_PATTERNS for path in sorted(root.glob(pattern))]
    return [path for path in found if modelled or path.name not in MODEL_FILES]


@cache
def _code(modelled: bool) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in code_files(modelled)]


@cache
def _versions() -> dict[str, str]:
    return installed_versions(LIBRARIES)
