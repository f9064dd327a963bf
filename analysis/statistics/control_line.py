"""The control line: what undefended classifiers of a given natural accuracy leak.

Its points are trainings without defence: stopped at a few epochs, on fewer images, of a smaller network, with another
start; and the trial without defence itself. Points of one kind are joined by straight lines, and all kinds together are
a band. A law's gain is its distance below the lowest control that is at least as accurate: only that is protection
which another classifier would not have given without it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.statistics.records import Study
from analysis.statistics.resampling import percentile_estimate
from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.state import State
from mi_tune.trial.laws import classes_in
from mi_tune.trial.point import UNDEFENDED
from mi_tune.trial.stopped_early import STOPPED_EARLY
from mi_tune.trial.undefended import CONTROLS, KINDS, REACH_THE_END

STOPPED = "stopped early"
"""The kind of the points that a trial without defence leaves at its earlier epochs."""
RESAMPLES = 1000
"""Bootstrap samples of people; the ends of an interval change by about 6 % of its width from one seed to another."""


@lru_cache(maxsize=8)
def _weights(people: int) -> np.ndarray:
    """Shares of the people in each bootstrap sample, (resamples, people); the same for all that is compared."""
    rng = np.random.default_rng(derive_seed(0, "control line"))
    return rng.multinomial(people, np.full(people, 1 / people), RESAMPLES) / people


class Gain(NamedTuple):
    """How much less a law leaks than the undefended classifiers of its natural accuracy.

    points: the lowest control's attack accuracy minus the law's, in [-1, 1], with a 95 % interval over people; above 0,
        the law leaks less. share: the same as a share of what that control leaks; None where it may leak nothing.
    lowest: kind of the lowest control.
    """

    points: Estimate
    share: Estimate | None
    lowest: str


class Band(NamedTuple):
    """Attack accuracy of the controls at a natural accuracy.

    lower: of the lowest control that is at least so accurate. upper: of the highest of the kinds that have controls on
    both sides. low, high: the ends of their 95 % intervals that lie furthest apart. lowest: kind of the lowest control.
    """

    lower: float
    upper: float
    low: float
    high: float
    lowest: str


def _rising(natural: np.ndarray, attack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points by rising natural accuracy, each with the least attack accuracy of those that are at least as accurate.

    Args:
        natural, attack: (..., points).
    """
    order = (natural - 1e-9 * attack).argsort(-1)  # of two that are equally accurate, the one that leaks less is last
    natural, attack = np.take_along_axis(natural, order, -1), np.take_along_axis(attack, order, -1)
    return natural, np.minimum.accumulate(attack[..., ::-1], -1)[..., ::-1]


def on_lines(at: np.ndarray, natural: np.ndarray, attack: np.ndarray) -> np.ndarray:
    """`np.interp` row by row: attack accuracy at `at` (n,), of points (n, points) by rising natural accuracy."""
    points = natural.shape[1]
    if points == 1:
        return attack[:, 0]
    rows, right = np.arange(len(at)), (natural < at[:, None]).sum(1).clip(1, points - 1)
    x0, x1, y0, y1 = (values[rows, place] for values in (natural, attack) for place in (right - 1, right))
    apart = x1 > x0
    share = np.where(apart, (at - x0) / np.where(apart, x1 - x0, 1), 1).clip(0, 1)
    return y0 + share * (y1 - y0)


@dataclass(frozen=True, eq=False)
class ControlCurve:
    """Undefended classifiers of one kind, joined by straight lines.

    Args:
        kind: stopped early, or one of `mi_tune.trial.undefended.KINDS`.
        names: of the points, such as the epoch.
        natural: natural accuracy of each class in [0, 1], (points, classes).
        attack: attack accuracy of each class in [0, 1], (points, classes).
        ends: whether the last point is the training without defence. Then the curve stays level beyond its most
            accurate point; else it says nothing there.
    """

    kind: str
    names: tuple[str, ...]
    natural: np.ndarray
    attack: np.ndarray
    ends: bool = True

    @property
    def lowest(self) -> float:
        """The lowest natural accuracy on the curve."""
        return float(self.natural.mean(1).min())

    def reaches(self, natural: float) -> bool:
        """Whether the curve has a control of at least this natural accuracy, or ends with the usual training."""
        return self.ends or natural <= self.natural.mean(1).max()

    def covers(self, natural: float) -> bool:
        """Whether the curve has controls on both sides of this natural accuracy, or reaches it from below."""
        return self.reaches(natural) and natural >= self.lowest

    @cached_property
    def _points(self) -> tuple[np.ndarray, np.ndarray]:
        return _rising(self.natural.mean(1), np.nanmean(self.attack, 1))

    @cached_property
    def _drawn(self) -> tuple[np.ndarray, np.ndarray]:
        """The points in each bootstrap sample, two (resamples, points)."""
        weights = _weights(self.natural.shape[1])
        return _rising(weights @ self.natural.T, _drawn_means(weights, self.attack))

    def value(self, natural: float) -> float:
        """Attack accuracy of the curve at a natural accuracy: the least of its controls that are at least so accurate;
        beyond its most accurate point, that of this point."""
        x, y = self._points
        return float(on_lines(np.array([natural]), x[None], y[None])[0])

    def at(self, natural: float) -> Estimate:
        """Attack accuracy of the curve at a natural accuracy, with a 95 % interval over people."""
        drawn = on_lines(np.full(RESAMPLES, natural), *self._drawn)
        return percentile_estimate(self.value(natural), drawn)

    def gain(self, natural: np.ndarray, attack: np.ndarray) -> tuple[Estimate, Estimate | None]:
        """What a law gains over this curve, in points and as a share of the curve; see `Gain`.

        The people are drawn together for the curve and the law.

        Args:
            natural, attack: the law's accuracies of each class in [0, 1], (classes,), in the curve's order.
        """
        weights = _weights(len(natural))
        own_natural, own_attack = weights @ natural, _drawn_means(weights, attack[None])[:, 0]
        line = on_lines(own_natural, *self._drawn)
        value, law = self.value(float(natural.mean())), float(np.nanmean(attack))
        points = percentile_estimate(value - law, line - own_attack)
        if value <= 0 or line.min() <= 0:
            return points, None
        return points, percentile_estimate((value - law) / value, (line - own_attack) / line)


@dataclass(frozen=True, eq=False)
class ControlLine:
    """All undefended classifiers of a study. curves: one for each kind, at least one."""

    curves: tuple[ControlCurve, ...]

    @property
    def lowest(self) -> float:
        """The lowest natural accuracy of any control; below it there is nothing to compare with."""
        return min(curve.lowest for curve in self.curves)

    @property
    def most_accurate(self) -> float:
        """The highest natural accuracy of any control."""
        return max(float(curve.natural.mean(1).max()) for curve in self.curves)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(curve.kind for curve in self.curves)

    def at(self, natural: float) -> Band | None:
        """The controls of a natural accuracy; None if no kind has controls on both sides of it."""
        reaching = self._compared(natural)
        if not reaching:
            return None
        found = [curve.at(natural) for curve in reaching]
        beside = [one for one, curve in zip(found, reaching, strict=True) if curve.covers(natural)]
        values = [one.value for one in found]
        return Band(
            *(min(values), max(one.value for one in beside)),
            *(min(one.low for one in found), max(one.high for one in beside)),
            reaching[int(np.argmin(values))].kind,
        )

    def _compared(self, natural: float) -> list[ControlCurve]:
        """The curves with a control of at least this natural accuracy; none where all controls are more accurate."""
        if not any(curve.covers(natural) for curve in self.curves):
            return []
        return [curve for curve in self.curves if curve.reaches(natural)]

    def gain(self, natural: np.ndarray, attack: np.ndarray) -> Gain | None:
        """What a law gains over the lowest control that is at least as accurate.

        The interval begins where the lowest of the intervals against each kind begins, and ends where the lowest ends.
        So it lies above 0 only if the law leaks less than every kind, each at 95 %, and that holds with no correction
        for their number. It does not cover that another training would turn out differently.

        Args:
            natural, attack: the law's accuracies of each class in [0, 1], (classes,), in the line's order; attack is
                NaN for the same people as in the line.

        Returns:
            None if every control is more accurate than the law, so that nothing is known of ones that are not.
        """
        reaching = self._compared(float(natural.mean()))
        if not reaching:
            return None
        points, shares = zip(*(curve.gain(natural, attack) for curve in reaching), strict=True)
        known = [share for share in shares if share is not None]
        lowest = reaching[int(np.argmin([one.value for one in points]))].kind
        return Gain(_least(points), _least(known) if len(known) == len(shares) else None, lowest)


def _least(estimates: list[Estimate] | tuple[Estimate, ...]) -> Estimate:
    """The least value, the least lower and the least upper end."""
    return Estimate(*(min(ends) for ends in zip(*estimates, strict=True)))


def _drawn_means(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Means of values (points, classes) in samples with the weights (resamples, classes): (resamples, points).

    Of people who were not attacked (NaN) there is no value; a sample's mean is over the others in it.
    """
    known = np.isfinite(values)
    if known.all():
        return weights @ values.T
    share = weights @ known.T
    means = weights @ np.where(known, values, 0.0).T / np.where(share > 0, share, 1.0)
    return np.where(share > 0, means, np.nanmean(values, 1))


def control_line(study: Study, column: str = "attack_accuracy") -> ControlLine | None:
    """The control line of a study; None if it has no control beside the training without defence.

    Args:
        column: `attack_accuracy`, or `recognised` for the judge from outside.
    """
    undefended = study.undefended
    last = study.per_class(int(undefended.trial)) if undefended is not None else None
    if undefended is None or last is None or column not in last:
        return None
    curves = [_stopped(study, int(undefended.trial), last, column)]
    table = classes_in(study.folder / CONTROLS)
    if table is not None and column in table:
        curves += [_of_kind(kind, table[table.kind == kind], last, column) for kind in KINDS]
    found = tuple(curve for curve in curves if curve is not None)
    return ControlLine(found) if found else None


def _stopped(study: Study, number: int, last: pd.DataFrame, column: str) -> ControlCurve | None:
    runs = study.runs[(study.runs.trial == number) | (study.runs.repeat_of == number)]
    paths = [study.folder / row.artefacts / STOPPED_EARLY for row in runs[runs.state == State.COMPLETE].itertuples()]
    tables = [table for path in paths if (table := classes_in(path)) is not None]
    if not tables or any(column not in table for table in tables):
        return None
    table = pd.concat(tables).groupby(["epoch", "class_name"], sort=False)[["natural_accuracy", column]].mean()
    epochs = sorted(table.index.get_level_values("epoch").unique())
    names = [f"epoch {epoch}" for epoch in epochs]
    return _curve(STOPPED, names, [table.loc[epoch] for epoch in epochs], last, column, ends=True)


def _of_kind(kind: str, table: pd.DataFrame, last: pd.DataFrame, column: str) -> ControlCurve | None:
    if table.empty:
        return None
    points = [
        (f"{control}, epoch {epoch}", rows.set_index("class_name"))
        for (control, epoch), rows in table.groupby(["control", "epoch"], sort=False)
    ]
    names, tables = zip(*points, strict=True)
    return _curve(kind, list(names), list(tables), last, column, ends=kind in REACH_THE_END)


def _curve(
    kind: str, names: list[str], tables: list[pd.DataFrame], last: pd.DataFrame, column: str, ends: bool
) -> ControlCurve:
    """A curve with the people in the order of `last`, the accuracies of the training without defence."""
    points = [table.reindex(last.class_name) for table in tables] + [last] * ends
    natural, attack = (
        np.stack([point[name].to_numpy(float) for point in points]) for name in ("natural_accuracy", column)
    )
    return ControlCurve(kind, (*names, *[UNDEFENDED] * ends), natural, attack, ends)


def gain_of(study: Study, line: ControlLine, trial: int, column: str = "attack_accuracy") -> Gain | None:
    """The gain of a law of the study over the controls; None if it cannot be compared."""
    found = study.per_class(trial)
    if found is None or column not in found:
        return None
    return line.gain(found.natural_accuracy.to_numpy(float), found[column].to_numpy(float))


@dataclass(frozen=True)
class Gains:
    """Gains of the laws over the controls, by trial: of the complete laws that erase and can be compared."""

    by_trial: dict[int, Gain]

    @property
    def better(self) -> list[int]:
        """The laws whose interval lies above 0."""
        return [trial for trial, gain in self.by_trial.items() if gain.points.low > 0]

    @property
    def lowest(self) -> tuple[str, int]:
        """The kind of control that is the lowest one for most laws, and for how many."""
        return Counter(gain.lowest for gain in self.by_trial.values()).most_common(1)[0]


def gains(study: Study, line: ControlLine, column: str = "attack_accuracy") -> Gains:
    """The gain of every complete law with a defence. Their intervals are not corrected for their number."""
    found = {int(trial): gain_of(study, line, int(trial), column) for trial in study.defended.trial}
    return Gains({trial: gain for trial, gain in found.items() if gain is not None})
