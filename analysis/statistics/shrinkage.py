"""The winner's curse, measured: what the search said of a law beside what fresh seeds say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.statistics.evidence import Evidence
from mi_tune.judging.intervals import Estimate


class Pair(NamedTuple):
    """One quantity in the search and confirmed; None where it was not measured."""

    search: Estimate | None
    confirmed: Estimate | None

    @property
    def change(self) -> float | None:
        """Confirmed minus search, in [-1, 1]."""
        if self.search is None or self.confirmed is None:
            return None
        return self.confirmed.value - self.search.value


@dataclass(frozen=True)
class Shrunk:
    """A law in the search and confirmed.

    Args:
        searched: whether it was picked for what the search measured, as reference points were not.
        natural: on val images in the search, on test images here. val: mean accuracy of the fresh targets on val
            images, the same images as in the search. attack: the search's attack under the search's judge.
    """

    law: str
    trial: int
    searched: bool
    natural: Pair
    val: float
    attack: Pair


@dataclass(frozen=True)
class Shrinkage:
    """Laws that the study has a trial of; attack and judge: the search's, judge None if it is not on the panel."""

    rows: tuple[Shrunk, ...]
    attack: str
    judge: str | None

    def mean_change(self, quantity: str, searched: bool) -> float | None:
        """Mean change of `natural` or `attack` over the searched laws, or over the reference points."""
        rows = [row for row in self.rows if row.searched == searched]
        changes = [change for row in rows if (change := getattr(row, quantity).change) is not None]
        return float(np.mean(changes)) if changes else None


def shrinkage(evidence: Evidence) -> Shrinkage:
    """Search values beside confirmed ones, of every law that has both."""
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
