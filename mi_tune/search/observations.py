"""Measurements of trials, as the front model takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from mi_tune.search.geometry import Geometry
from mi_tune.search.state import State


@dataclass(frozen=True)
class Observations:
    """Measurements of n trials.

    Args:
        units: (n, parameters) in the unit cube. natural, attack: accuracies (n,), NaN where they were not measured.
        attacked: share of the people that were attacked, (n,) in (0, 1]; the noise variance of the attack accuracy is
            inversely proportional to it.
        early_natural, early_attack: accuracies of the same trials early in their training, under a cheaper attack,
            (n,), NaN where there are none; all from the same rung.
    """

    units: np.ndarray
    natural: np.ndarray
    attack: np.ndarray
    attacked: np.ndarray
    early_natural: np.ndarray
    early_attack: np.ndarray

    @classmethod
    def of(cls, geometry: Geometry, rows: Sequence[Mapping[str, Any]]) -> Observations:
        """From rows with `params` and any of `natural`, `attack`, `attacked`, `early_natural`, `early_attack`."""
        column = lambda name, missing: np.array([row.get(name, missing) for row in rows], dtype=float)  # noqa: E731
        return cls(
            geometry.units([row["params"] for row in rows]),
            column("natural", np.nan),
            column("attack", np.nan),
            column("attacked", 1.0),
            column("early_natural", np.nan),
            column("early_attack", np.nan),
        )

    @classmethod
    def of_trials(
        cls,
        geometry: Geometry,
        trials: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]],
        attack_below_floor: bool = True,
    ) -> Observations:
        """From what was recorded of trials, wherever it is kept: in the journal, the table, or a replay.

        A stopped trial teaches what it had reached, a failed one nothing.

        Args:
            trials: of each its point in the space, and its record: `state` and any of `natural_accuracy`,
                `attack_accuracy`, `attack_accuracy_so_far`, `attacked` and `rungs`; None and NaN are missing values.
            attack_below_floor: whether the attack accuracy of an infeasible trial counts. It has one if it was attacked
                before the floor was known.
        """
        return cls.of(geometry, [_row(params, record, attack_below_floor) for params, record in trials])

    def __len__(self) -> int:
        return len(self.units)

    def take(self, some: np.ndarray) -> Observations:
        """The observations of some trials, given by indices or a mask."""
        return Observations(*(getattr(self, field.name)[some] for field in fields(self)))

    def joined(self, others: Observations) -> Observations:
        """These observations followed by others."""
        return Observations(
            *(np.concatenate([getattr(self, field.name), getattr(others, field.name)]) for field in fields(self))
        )


def _row(params: Mapping[str, Any], record: Mapping[str, Any], attack_below_floor: bool) -> dict[str, Any]:
    state = record.get("state")
    row: dict[str, Any] = {"params": params}
    if state in State.measured():
        row["natural"] = _number(record.get("natural_accuracy"))
        if state == State.COMPLETE or attack_below_floor:
            row["attack"] = _number(record.get("attack_accuracy"))
    elif state == State.STOPPED:
        row["natural"] = _number(record.get("natural_accuracy"))
        row["attack"] = _number(record.get("attack_accuracy_so_far"))
        row["attacked"] = record.get("attacked") or 1.0
    if seen := record.get("rungs"):
        row["early_natural"], row["early_attack"] = (_number(value) for value in seen[0])
    return row


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
