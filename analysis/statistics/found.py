"""Hypervolume of a study after each of its trials: as measured, as its model expects, and the true one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from analysis.statistics.records import Study
from mi_tune.erasing import ErasingLaw
from mi_tune.erasing.columns import law_of
from mi_tune.runtime.errors import InputError
from mi_tune.search.expectation import expected
from mi_tune.search.front import front_mask, hypervolume
from mi_tune.search.state import State
from mi_tune.setup import Space
from mi_tune.trial.laws import laws_of


class Surface(Protocol):
    """Knows the true accuracies of laws, such as `mi_tune.replay.surface.Surface`."""

    def worth(self, laws: Sequence[ErasingLaw], floor: float) -> float:
        """True hypervolume of the laws; laws with a natural accuracy below the floor do not count."""


def found_over_time(study: Study, surface: Surface | None = None, floor: float = 0.0) -> pd.DataFrame:
    """Hypervolume after each finished trial, in the order in which the trials ended.

    Args:
        surface: surface of a table of trials of the same data, if there is one; it gives the column `true`.
        floor: true natural accuracy below which a law does not count in `true`.

    Returns:
        One row per finished trial. `minutes`: since the first trial began. `cost`: seconds that all workers had spent.
        `measured`: hypervolume of the mean measured accuracies. `expected`: hypervolume of the accuracies that the
        search's model expects, which a single lucky trial hardly raises. `true`: true hypervolume, by the surface, of
        the laws on the expected front.

    Raises:
        InputError: the study has no complete trial.
    """
    if not len(study.complete):
        raise InputError(f"{study.folder}: no trial is complete yet")
    runs = study.runs[study.runs.finished != ""].copy()
    ended = pd.to_datetime(runs.finished, format="ISO8601")
    begun = pd.to_datetime(runs.started[runs.started != ""], format="ISO8601").min()
    order = ended.argsort().to_numpy()
    runs, ended = runs.iloc[order], ended.iloc[order]
    space = study.config["config"]["search"].get("space")
    space = Space() if space is None else Space.model_validate(space)
    rows = []
    for count in range(1, len(runs) + 1):
        known = runs.iloc[:count]
        # a repeat may have ended before the trial that it repeats
        laws = laws_of(known, study.folder)
        complete = laws[laws.state == State.COMPLETE]
        row = {
            "minutes": (ended.iloc[count - 1] - begun).total_seconds() / 60,
            "cost": float(known.seconds.sum()),
            "measured": hypervolume(complete.natural_accuracy, complete.attack_accuracy),
        }
        modelled = expected(known, complete, space) if len(complete) else complete
        natural, attack = (modelled[name].to_numpy(float) for name in ("natural_accuracy", "attack_accuracy"))
        row["expected"] = hypervolume(natural, attack)
        if surface is not None:
            front = complete[front_mask(natural, attack)] if len(complete) else complete
            row["true"] = surface.worth([law_of(law) for _, law in front.iterrows()], floor)
        rows.append(row)
    return pd.DataFrame(rows)


def hypervolume_at(found: pd.DataFrame, minutes: float, column: str) -> float:
    """Value of `column` after `minutes`, in a table made by `found_over_time`; 0 before the first trial ended."""
    done = int(np.searchsorted(found.minutes, minutes, side="right"))
    return float(found[column].iloc[done - 1]) if done else 0.0
