"""What a study had found by when: hypervolume after each of its trials, as measured, as expected and in truth."""

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
from mi_tune.setup import Space
from mi_tune.trial.laws import laws_of


class Surface(Protocol):
    """Knows what laws are truly worth, such as `mi_tune.replay.surface.Surface`."""

    def worth(self, laws: Sequence[ErasingLaw], floor: float) -> float:
        """True hypervolume of the laws; those whose natural accuracy is below the floor count for nothing."""


def found_over_time(study: Study, surface: Surface | None = None, floor: float = 0.0) -> pd.DataFrame:
    """One row a finished trial, in the order in which they ended.

    Args:
        surface: of a table of trials of the same data, if there is one; then `true` is known. floor: natural accuracy
            below which a law is truly worth nothing.

    Returns:
        `minutes` since the first trial began; `cost`, seconds that all workers had spent; `measured`, hypervolume of
        the means of what was measured; `expected`, that of what the search's model expects of the laws, which no lucky
        trial lifts; `true`, that of the laws on the expected front by the surface.

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
        complete = laws[laws.state == "complete"]
        row = {
            "minutes": (ended.iloc[count - 1] - begun).total_seconds() / 60,
            "cost": float(known.seconds.sum()),
            "measured": hypervolume(complete.natural_accuracy, complete.attack_accuracy),
        }
        hoped = expected(known, complete, space) if len(complete) else complete
        natural, attack = (hoped[name].to_numpy(float) for name in ("natural_accuracy", "attack_accuracy"))
        row["expected"] = hypervolume(natural, attack)
        if surface is not None:
            front = complete[front_mask(natural, attack)] if len(complete) else complete
            row["true"] = surface.worth([law_of(law) for _, law in front.iterrows()], floor)
        rows.append(row)
    return pd.DataFrame(rows)


def at(found: pd.DataFrame, minutes: float, column: str) -> float:
    """The value of a column after so many minutes; 0 before a trial had ended."""
    done = int(np.searchsorted(found.minutes, minutes, side="right"))
    return float(found[column].iloc[done - 1]) if done else 0.0
