"""The control line: what an undefended classifier of a given natural accuracy leaks.

Its points are the training without defence, stopped at a few epochs, and its end. A law's gain is its distance from
the line at the law's own natural accuracy. Only what lies below the line is protection that stopping early would not
have given.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.statistics.records import Study
from analysis.statistics.resampling import percentile_estimate
from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.state import State
from mi_tune.trial.laws import classes_in
from mi_tune.trial.stopped_early import STOPPED_EARLY

RESAMPLES = 1000
"""Bootstrap samples of people; the ends of an interval change by about 6 % of its width from one seed to another."""


@dataclass(frozen=True, eq=False)
class ControlLine:
    """Undefended classifiers of rising natural accuracy, joined by straight lines.

    Args:
        epochs: at which each training was stopped; the last is the end of the training, (points,).
        natural: natural accuracy of each class in [0, 1], (points, classes).
        attack: attack accuracy of each class in [0, 1], (points, classes); NaN for people who were not attacked.
    """

    epochs: np.ndarray
    natural: np.ndarray
    attack: np.ndarray

    @property
    def lowest(self) -> float:
        """The lowest natural accuracy on the line; below it there is nothing to compare with."""
        return float(self.natural.mean(1).min())

    @cached_property
    def _weights(self) -> np.ndarray:
        """Shares of the people in each bootstrap sample, (resamples, classes)."""
        people = self.natural.shape[1]
        rng = np.random.default_rng(derive_seed(0, "control line"))
        return rng.multinomial(people, np.full(people, 1 / people), RESAMPLES) / people

    @cached_property
    def _drawn(self) -> tuple[np.ndarray, np.ndarray]:
        """Natural and attack accuracy of the points in each bootstrap sample, by rising natural accuracy."""
        natural, attack = self._weights @ self.natural.T, _drawn_means(self._weights, self.attack)
        order = natural.argsort(1)
        return np.take_along_axis(natural, order, 1), np.take_along_axis(attack, order, 1)

    def at(self, natural: float) -> Estimate:
        """Attack accuracy of the line at a natural accuracy, with a 95 % interval over people.

        Beyond its most accurate point the line stays level.
        """
        drawn = np.array([np.interp(natural, x, y) for x, y in zip(*self._drawn, strict=True)])
        return percentile_estimate(self._value(natural), drawn)

    def gain(self, natural: np.ndarray, attack: np.ndarray) -> Estimate | None:
        """The line minus a law's attack accuracy at the law's natural accuracy, with a 95 % interval.

        Positive: the law leaks less than stopping early. The people are drawn together for the line and the law; the
        interval does not cover that another training would turn out differently.

        Args:
            natural, attack: the law's accuracies of each class in [0, 1], (classes,), in the line's order; attack is
                NaN for the same people as in the line.

        Returns:
            None if the law is less accurate than every point of the line.
        """
        if natural.mean() < self.lowest:
            return None
        own_natural, own_attack = self._weights @ natural, _drawn_means(self._weights, attack[None])[:, 0]
        line = np.array([np.interp(at, x, y) for at, x, y in zip(own_natural, *self._drawn, strict=True)])
        return percentile_estimate(self._value(float(natural.mean())) - float(np.nanmean(attack)), line - own_attack)

    def _value(self, natural: float) -> float:
        x, y = self.natural.mean(1), np.nanmean(self.attack, 1)
        order = x.argsort()
        return float(np.interp(natural, x[order], y[order]))


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
    """The control line of a study; None if no trial without defence has attacked the targets of its earlier epochs.

    Args:
        column: `attack_accuracy`, or `recognised` for the judge from outside.
    """
    undefended = study.undefended
    if undefended is None:
        return None
    number = int(undefended.trial)
    runs = study.runs[(study.runs.trial == number) | (study.runs.repeat_of == number)]
    paths = [study.folder / row.artefacts / STOPPED_EARLY for row in runs[runs.state == State.COMPLETE].itertuples()]
    tables = [table for path in paths if (table := classes_in(path)) is not None]
    last = study.per_class(number)
    if not tables or last is None or column not in last or any(column not in table for table in tables):
        return None
    table = pd.concat(tables).groupby(["epoch", "class_name"], sort=False)[["natural_accuracy", column]].mean()
    epochs = sorted(table.index.get_level_values("epoch").unique())
    points = [table.loc[epoch].reindex(last.class_name) for epoch in epochs]
    end = int(study.config.get("config", {}).get("target", {}).get("epochs", 0)) or int(epochs[-1]) + 1
    return ControlLine(
        np.array([*epochs, end]),
        np.stack([*(p.natural_accuracy.to_numpy(float) for p in points), last.natural_accuracy.to_numpy(float)]),
        np.stack([*(p[column].to_numpy(float) for p in points), last[column].to_numpy(float)]),
    )


def gain_of(study: Study, line: ControlLine, trial: int, column: str = "attack_accuracy") -> Estimate | None:
    """The gain of a law of the study over stopping early; None if it cannot be compared."""
    found = study.per_class(trial)
    if found is None or column not in found:
        return None
    return line.gain(found.natural_accuracy.to_numpy(float), found[column].to_numpy(float))


@dataclass(frozen=True)
class Gains:
    """Gains of the laws over stopping early.

    by_trial: of the complete laws that erase and can be compared. better: those whose interval lies above 0.
    """

    by_trial: dict[int, Estimate]

    @property
    def better(self) -> list[int]:
        return [trial for trial, gain in self.by_trial.items() if gain.low > 0]


def gains(study: Study, line: ControlLine, column: str = "attack_accuracy") -> Gains:
    """The gain of every complete law with a defence. Their intervals are not corrected for their number."""
    found = {int(trial): gain_of(study, line, int(trial), column) for trial in study.defended.trial}
    return Gains({trial: gain for trial, gain in found.items() if gain is not None})
