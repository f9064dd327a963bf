"""Trackers by name, by import path, or in hand; checked before anything is computed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any, NamedTuple

from ray import tune
from rich.console import Console

from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import OwnFactory, checked_factory
from mi_tune.runtime.wording import did_you_mean
from mi_tune.study.trackers.contract import Tracker
from mi_tune.study.trackers.watch import Guard, Guarded, TrackerCallback


class Ready(NamedTuple):
    """A tracker of this project: module and class, and the package that it needs."""

    module: str
    name: str
    needs: str | None


READY = {
    "csv": Ready("mi_tune.study.trackers.csv_files", "CsvFiles", None),
    "mlflow": Ready("mi_tune.study.trackers.mlflow_runs", "MlflowRuns", "mlflow"),
    "tensorboard": Ready("mi_tune.study.trackers.tensorboard_events", "TensorboardEvents", "tensorboardX"),
    "wandb": Ready("mi_tune.study.trackers.wandb_runs", "WandbRuns", "wandb"),
}
"""Trackers by name; each has an extra of the same name."""


class CallbackFactory(OwnFactory):
    """A user's factory of a callback."""

    kind = "callback"


def open_trackers(given: Sequence[Any], images_allowed: bool, console: Console) -> list[Guarded | TrackerCallback]:
    """Make the callbacks of a study.

    Args:
        given: names of `READY`, `path/to/file.py:factory` or `package.module:factory` of a callback or tracker, or such
            objects themselves.
        images_allowed: whether trackers may get pictures. console: where a failure is said.

    Raises:
        InputError: an unknown name, a package that is not installed, or something that is no callback.
    """
    return [_open(one, images_allowed, console) for one in given]


def _open(given: Any, images_allowed: bool, console: Console) -> Guarded | TrackerCallback:
    name = given if isinstance(given, str) else type(given).__name__
    made = _made(given) if isinstance(given, str) else given
    if isinstance(made, type):
        raise InputError(f"callback {name}: is a class; give an object of it")
    guard = Guard(f"callback {name}", console)
    if isinstance(made, Tracker):
        return TrackerCallback(made, guard, images_allowed)
    if isinstance(made, tune.Callback):
        return Guarded(made, guard)
    raise InputError(
        f"callback {name}: a {type(made).__name__} is no callback; give a ray.tune.Callback, or {', '.join(READY)}"
    )


def _made(name: str) -> Any:
    if name in READY:
        ready = READY[name]
        if ready.needs and importlib.util.find_spec(ready.needs) is None:
            raise InputError(f"callback {name}: {ready.needs} is not installed; pip install 'mi_tune[{name}]'")
        return getattr(importlib.import_module(ready.module), ready.name)()
    if ":" not in name:
        raise InputError(
            f"unknown callback '{name}'; {did_you_mean(name, READY, otherwise=READY)} Or give path/to/file.py:factory"
        )
    try:
        return CallbackFactory(checked_factory(name)).call()
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"callback {error}") from error
