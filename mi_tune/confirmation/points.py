"""Choose what is confirmed: the reference points, the best laws on or near the study's front, and controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from mi_tune.defences.columns import treatment_of
from mi_tune.defences.treatment import CONTROL_NAMES, Treatment, strengths_of
from mi_tune.erasing import NO_DEFENCE
from mi_tune.runtime.errors import InputError
from mi_tune.search.front import front_mask, hypervolume
from mi_tune.search.state import State
from mi_tune.trial.point import CONFIRMED_LAWS, LEFT_OUT, UNDEFENDED, Point, stopped


@dataclass(frozen=True)
class Lineup:
    """The points of a confirmation: which are trained, and which are attacked once the controls are matched.

    Args:
        laws: reference points, with the one without defence, and searched laws.
        candidates: strengths of other augmentations by name, of each of which one becomes a control.
    """

    laws: Sequence[Point]
    candidates: Mapping[str, Sequence[Point]]

    @cached_property
    def parts(self) -> dict[str, list[Point]]:
        """See `left_out`."""
        return left_out(self.laws)

    @property
    def undefended(self) -> Point:
        return next(point for point in self.laws if point.name == UNDEFENDED)

    @property
    def best(self) -> Point:
        """The law that other augmentations are matched to: the searched law with the largest hypervolume, or else the
        last reference point with a defence."""
        own = [point for point in self.laws if point.trial is not None and point.kind in ("front", "near front")]
        return own[0] if own else next(p for p in reversed(self.laws) if not p.treatment.undefended)

    @property
    def trained(self) -> list[Point]:
        """The points whose targets are trained to the end: laws, mixes without a part, every strength."""
        return [*self.attacked(()), *(step for steps in self.candidates.values() for step in steps)]

    def attacked(self, controls: Sequence[Point]) -> list[Point]:
        """The points that are attacked and stand in the tables: laws, mixes without a part, these controls."""
        return [*self.laws, *(point for some in self.parts.values() for point in some), *controls]

    @property
    def foreseen(self) -> list[Point]:
        """As many points as `attacked` has at most: a control by early stopping for each defended law, and one
        strength of every augmentation."""
        defended = sum(not point.treatment.undefended for point in self.laws)
        return self.attacked([stopped(number + 1) for number in range(defended + len(self.candidates))])


def choose_points(
    trials: pd.DataFrame, mean: tuple[float, ...], count: int, expected: pd.DataFrame | None = None
) -> list[Point]:
    """Choose the reference points and up to `count` other laws of the study.

    Laws on the front come first, by greedy hypervolume subset selection: each is the one that adds most hypervolume.
    If the front has fewer than `count`, trials follow that only noise may have kept off it: those whose interval of
    attack accuracy reaches below the front at their natural accuracy, the nearest to the front first.

    Args:
        trials: the study's table, one row per law.
        mean: of the private training images per channel, for the `mean` fill.
        count: laws beside the reference points.
        expected: both accuracies of the complete trials as a model expects them, with the index of `trials`; replaces
            the measured means, and the intervals move along. None uses the measured ones.

    Raises:
        InputError: the study has no complete trial without defence.
    """
    complete = trials[trials.state == State.COMPLETE]
    at = {row.reference: int(row.trial) for row in complete.itertuples() if row.reference}
    if UNDEFENDED not in at:
        raise InputError("the study has no complete trial without defence; continue the study by --resume")
    points = [Point(n, "reference", Treatment(law).resolved(mean), at.get(n)) for n, law in CONFIRMED_LAWS.items()]
    judged = complete if expected is None else expected.loc[complete.index]
    natural = judged.natural_accuracy.to_numpy(float)
    attack = judged.attack_accuracy.to_numpy(float)
    on_front = front_mask(natural, attack)
    own = ~complete.reference.isin(list(CONFIRMED_LAWS)).to_numpy(bool)
    numbers = complete.trial.to_numpy(int)
    chosen = [(int(numbers[i]), "front") for i in _spread(natural, attack, np.flatnonzero(on_front & own), count)]
    excess = _excess(natural, attack, on_front)
    half = (complete.attack_accuracy - complete.attack_accuracy_low).to_numpy(float)
    reaching = half >= excess
    near = np.flatnonzero(own & ~on_front & reaching)
    near = near[np.argsort(excess[near], kind="stable")][: count - len(chosen)]
    chosen += [(int(numbers[i]), "near front") for i in near]
    rows = complete.set_index("trial")
    for number, kind in chosen:
        points.append(Point(f"trial {number}", kind, treatment_of(rows.loc[number]).resolved(mean), number))
    return points


def left_out(points: Sequence[Point]) -> dict[str, list[Point]]:
    """For each mix among the searched laws, by name, the same without erasing and without each other defence."""
    found: dict[str, list[Point]] = {}
    for point in points:
        mix, erases = point.treatment, point.treatment.law.probability > 0
        if point.kind not in ("front", "near front") or len(mix.defences) + erases < 2:
            continue
        without = [(one.name, tuple(other for other in mix.defences if other != one)) for one in mix.defences]
        parts = [(name, replace(mix, defences=rest)) for name, rest in without]
        if erases:
            parts.append(("random erasing", replace(mix, law=NO_DEFENCE)))
        found[point.name] = [Point(f"{point.name} without {name}", LEFT_OUT, one) for name, one in parts]
    return found


def candidate_controls(mean: tuple[float, ...]) -> dict[str, list[Point]]:
    """Three strengths of every other augmentation, by its name. `match_augmentations` picks one of each."""
    return {
        name: [Point(title, "augmentation", step.resolved(mean)) for title, step in strengths_of(name).items()]
        for name in CONTROL_NAMES
    }


def _spread(natural: np.ndarray, attack: np.ndarray, members: np.ndarray, count: int) -> list[int]:
    """Greedy hypervolume subset selection of at most `count` of `members`."""
    chosen: list[int] = []
    left = [int(i) for i in members]
    while left and len(chosen) < count:
        best = max(left, key=lambda i: hypervolume(natural[[*chosen, i]], attack[[*chosen, i]]))
        chosen.append(best)
        left.remove(best)
    return chosen


def _excess(natural: np.ndarray, attack: np.ndarray, on_front: np.ndarray) -> np.ndarray:
    """How far each attack accuracy lies above the front at that natural accuracy or more, (n,); 0 on the front."""
    at_least = natural[None, on_front] >= natural[:, None]
    return attack - np.where(at_least, attack[None, on_front], np.inf).min(1)
