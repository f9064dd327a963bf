"""Callbacks of Ray Tune that pass on what happens, and survive whatever a tracker does."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ray import tune
from rich.console import Console

from mi_tune.defences.columns import treatment_columns
from mi_tune.runtime.imported import one_line
from mi_tune.search.state import State
from mi_tune.study.trackers.contract import Ended, Tracker, Value, Watched

PEOPLE = 16
"""The most people in a picture."""


class Guard:
    """Calls what may fail. The first failure is said, and after it nothing is called any more."""

    def __init__(self, name: str, console: Console) -> None:
        self.name, self.console, self.broken = name, console, False

    def __call__(self, do: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call `do`; None if it fails, or anything has failed before."""
        if self.broken:
            return None
        try:
            return do(*arguments, **named)
        except Exception as error:
            self.broken = True
            text = f"{self.name} failed and is left out from now on, the study goes on ({one_line(error)})"
            self.console.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)
            return None


class Guarded(tune.Callback):
    """A callback of the user's, behind a guard."""

    def __init__(self, inner: tune.Callback, guard: Guard) -> None:
        self.inner, self.guard = inner, guard

    def __getstate__(self) -> dict:
        return {}  # Ray pickles callbacks, but this one is never restored

    def get_state(self) -> dict | None:
        return self.guard(self.inner.get_state)

    def begin(self, study: Watched) -> None:
        """Nothing to tell: Ray's callbacks have a `setup` of their own."""

    def trial_ended(self, number: int, row: Mapping[str, Any]) -> None:
        """Nothing to tell: Ray's callbacks see results themselves."""

    def close(self) -> None:
        """Nothing to close: Ray calls `on_experiment_end`."""


def _passed_on(name: str) -> Callable[..., Any]:
    def hook(self: Guarded, *arguments: Any, **info: Any) -> Any:
        return self.guard(getattr(self.inner, name), *arguments, **info)

    return hook


for _name in ("setup", *(name for name in dir(tune.Callback) if name.startswith("on_"))):
    setattr(Guarded, _name, _passed_on(_name))


class TrackerCallback(tune.Callback):
    """Tells a tracker what happens.

    Args:
        tracker: what to tell. guard: behind which. images_allowed: whether it may get pictures.
    """

    def __init__(self, tracker: Tracker, guard: Guard, images_allowed: bool) -> None:
        self.tracker, self.guard, self.images_allowed = tracker, guard, images_allowed
        self.folder = Path()
        self.epochs: dict[int, int] = {}

    def __getstate__(self) -> dict:
        return {}  # Ray pickles callbacks, but this one is never restored

    def begin(self, study: Watched) -> None:
        """Tell of the study before its search begins."""
        self.folder = study.folder
        self.guard(self.tracker.begin, study)

    def on_trial_start(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        config = trial.config
        parameters: dict[str, Value] = treatment_columns(config["law"], config.get("defences", ""))
        self.guard(self.tracker.started, config["trial"], parameters | {"reference": config["reference"]})

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **info: Any) -> None:
        number, epoch = trial.config["trial"], int(result.get("epoch", 0))
        if result.get("state") == State.RUNNING and epoch > self.epochs.get(number, 0):
            self.epochs[number] = epoch
            values = {name: result[name] for name in ("natural_accuracy", "cheap_attack_accuracy") if name in result}
            self.guard(self.tracker.reported, number, epoch, values)

    def trial_ended(self, number: int, row: Mapping[str, Any]) -> None:
        """Tell of a trial whose row is in the journal."""
        self.guard(lambda: self.tracker.ended(self._ended(number, row)))

    def close(self) -> None:
        """The search has ended."""
        self.guard(self.tracker.close)

    def _ended(self, number: int, row: Mapping[str, Any]) -> Ended:
        values = {
            name: float(value)
            for name, value in row.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        }
        place = self.folder / str(row.get("artefacts") or "nowhere")
        picture = picture_of(place / "reconstructions.npz") if self.images_allowed else None
        state, reason = str(row["state"]), str(row.get("reason") or "")
        return Ended(number, state, reason, values, curve_of(place / "history.json"), picture)


def curve_of(history: Path) -> list[tuple[int, float, float]]:
    """The curve of `Ended`, from a trial's history.json; empty if there is none."""
    if not history.exists():
        return []
    stored = json.loads(history.read_text())
    loss, natural = (np.mean(stored[name], axis=0) for name in ("train_loss", "natural_accuracy"))
    return [(int(e), float(a), float(b)) for e, a, b in zip(stored["epochs"], loss, natural, strict=True)]


def picture_of(reconstructions: Path) -> np.ndarray | None:
    """The picture of `Ended`, from a trial's reconstructions.npz; None if there is none."""
    if not reconstructions.exists():
        return None
    with np.load(reconstructions, allow_pickle=False) as stored:
        best = stored["images"][:PEOPLE, 0]
    pixels = np.concatenate(list(best.transpose(0, 2, 3, 1)), axis=1)
    return pixels.repeat(3, axis=2) if pixels.shape[2] == 1 else pixels
