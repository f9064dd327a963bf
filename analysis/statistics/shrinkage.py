"""The winner's curse, measured: accuracies of laws in the search beside those with fresh seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.statistics.evidence import Evidence
from mi_tune.judging.intervals import Estimate


class Pair(NamedTuple):
    """A quantity as measured in the search and in the confirmation; None if it was not measured."""

    search: Estimate | None
    confirmed: Estimate | None

    @property
    def change(self) -> float | None:
        """Confirmed value minus search value, in [-1, 1]; None if one is missing."""
        if self.search is None or self.confirmed is None:
            return None
        return self.confirmed.value - self.search.value


@dataclass(frozen=True)
class Shrunk:
    """Accuracies of a law in the search and in the confirmation.

    Args:
        searched: whether the law was picked by its search result; False for reference points.
        natural: on validation images in the search, on test images in the confirmation. val: mean accuracy of the fresh
            targets on the validation images that the search used. attack: of the search's attack under its judge.
    """

    law: str
    trial: int
    searched: bool
    natural: Pair
    val: float
    attack: Pair


@dataclass(frozen=True)
class Shrinkage:
    """Laws with a trial in the study. attack, judge: those of the search; judge None if the confirmation lacks it."""

    rows: tuple[Shrunk, ...]
    attack: str
    judge: str | None

    def mean_change(self, quantity: str, searched: bool) -> float | None:
        """Mean change of `natural` or `attack`, over the searched laws or over the reference points."""
        rows = [row for row in self.rows if row.searched == searched]
        changes = [change for row in rows if (change := getattr(row, quantity).change) is not None]
        return float(np.mean(changes)) if changes else None


def shrinkage(evidence: Evidence) -> Shrinkage:
    """Search values beside confirmed values, for each law with a trial in the study."""
    confirmation = evidence.confirmation
    used = confirmation.study.config["attack"]
    attack, judge = f"{used['name']}:{used['budget']}", confirmation.search_judge
    targets = confirmation.tables["targets"]
    rows = []
    for law in confirmation.laws:
        if law.trial is None:
            continue
        trial = confirmation.study.trials.loc[law.trial]
        found = evidence.attack(law.name, attack, judge.name) if judge is not None else None
        rows.append(
            Shrunk(
                law.name,
                law.trial,
                law.kind != "reference",
                Pair(_measured(trial, "natural_accuracy"), evidence.natural(law.name).estimate),
                float(targets.val_accuracy[targets.point == law.name].mean()),
                Pair(_measured(trial, "attack_accuracy"), found.estimate if found is not None else None),
            )
        )
    return Shrinkage(tuple(rows), attack, judge.name if judge is not None else None)


def _measured(trial: pd.Series, name: str) -> Estimate | None:
    values = [trial[f"{name}{end}"] for end in ("", "_low", "_high")]
    return None if any(pd.isna(value) for value in values) else Estimate(*(float(value) for value in values))
