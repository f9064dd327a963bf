"""What trials say of laws that were not tried: a model of both accuracies over the space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from mi_tune.search.arcsine import drawn_in, spread_out
from mi_tune.search.condense import centres, gathered, means
from mi_tune.search.gaussian import GaussianProcess, Line, Prior
from mi_tune.search.geometry import Geometry

MOST_POINTS = 400
"""Points that the model is conditioned on at most; beyond, near trials are one point with the mean of what they say."""
MOST_FITTED = 200
"""Points that lengths are fitted to at most."""
FAITH = 4.0
"""Trials here that count as much as the expectation that another study's accuracies hold here too."""
DOUBT = 8
"""Trials here from which on another study is only heard where it helps to foresee them."""
ELSEWHERE = 0.15
"""Standard deviation, as arcsin(sqrt(accuracy)), by which another study's accuracies are expected to be wrong here."""
LENGTH = (0.8, 0.8)
"""Mean and standard deviation of the logarithm of the lengths expected: most of a law's parameters matter little beside
what they erase together."""
SLOPE = 2.0
"""Standard deviations of an accuracy that its line over the erased share is expected to rise or fall, from one end of
the space to the other."""
LEAST_DEVIATION = 0.05
"""Of accuracies over a space, as arcsin(sqrt(accuracy)): two equal ones do not say that all are."""
GROWTH = 1.15
"""Lengths are fitted again once there are this many times as many trials as at the last fit."""


@dataclass(frozen=True)
class Observations:
    """What is known of n trials.

    Args:
        units: (n, parameters) in the unit cube. natural, attack: accuracies (n,), NaN where they were not measured.
        attacked: share of the people that were attacked, (n,) in (0, 1]: the attack accuracy of a tenth of them is ten
            times as uncertain.
        early_natural, early_attack: the same laws' accuracies early in their training, under a cheaper attack, (n,),
            NaN where there are none; all of one rung.
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

    def __len__(self) -> int:
        return len(self.units)

    def take(self, some: np.ndarray) -> Observations:
        """Those of some trials, by their indices or a mask."""
        return Observations(*(getattr(self, field.name)[some] for field in fields(self)))

    def joined(self, others: Observations) -> Observations:
        """Those of these trials and of others after them."""
        return Observations(
            *(np.concatenate([getattr(self, field.name), getattr(others, field.name)]) for field in fields(self))
        )


@dataclass(frozen=True)
class _Values:
    """Means at n points, NaN where there are none; the variance of each as a multiple of one value's; and the number
    of trials that were measured."""

    mean: np.ndarray
    noise: np.ndarray
    trials: int

    @property
    def known(self) -> np.ndarray:
        return np.isfinite(self.mean)


class _Objective:
    """One accuracy: what it was in another study or early in training, and a Gaussian process of what that leaves.

    The regression on something cheaper is that of Kennedy and O'Hagan (2000). The slope on an earlier look is shrunk
    to what few trials can carry, that on another study towards 1: laws are expected to rank there as here until
    trials tell otherwise.

    Args:
        elsewhere: what another study found, already fitted; or None.
    """

    def __init__(self, geometry: Geometry, elsewhere: GaussianProcess | None = None) -> None:
        groups, prior = geometry.groups, _prior(geometry)
        self.process, self.early = (GaussianProcess(groups, prior=prior) for _ in range(2))
        self.elsewhere = elsewhere
        self.slope, self.faith, self.fitted, self.early_fitted = 0.0, 0.0, 0, 0
        # what another study leaves to explain, and nothing that it explains
        self.rest, self.plain = GaussianProcess(groups, ELSEWHERE, Prior(LENGTH)), self.process
        self.rest_fitted = 0

    def update(self, x: np.ndarray, y: _Values, early: _Values) -> None:
        """Learn from values at points x, (n, columns)."""
        known, seen = y.known, early.known
        self.slope = 0.0
        if self.elsewhere is not None and self._hear(x, y):
            return
        if seen.sum() >= 1.2 * known.sum() and (known & seen).sum() >= 5:
            self.early_fitted = _learn(self.early, x, early.mean, early, self.early_fitted)
            expected = self.early.predict(x[known])
            around = expected - expected.mean()
            self.slope = float(around @ y.mean[known] / (around @ around + 0.1 * known.sum() * around.var() + 1e-9))
        self.process, self.faith = self.plain, 0.0
        self.fitted = _learn(self.process, x, y.mean - self._expected(x), y, self.fitted)

    def _hear(self, x: np.ndarray, y: _Values) -> bool:
        """Learn what another study leaves to explain; False where trials are foreseen better without it."""
        known = y.known
        there = self.elsewhere.predict(x[known])
        around, trust = there - there.mean() if len(there) else there, FAITH * self.elsewhere.scale**2
        faith = float((around @ y.mean[known] + trust) / (around @ around + trust))
        self.rest_fitted = _learn(self.rest, x, y.mean - faith * self.elsewhere.predict(x), y, self.rest_fitted)
        if known.sum() >= DOUBT:
            self.fitted = _learn(self.plain, x, y.mean, y, self.fitted)
            if self.plain.foresight() > self.rest.foresight():
                return False
        self.process, self.faith = self.rest, faith
        return True

    def _expected(self, x: np.ndarray) -> np.ndarray:
        if self.faith:
            return self.faith * self.elsewhere.predict(x)
        return self.slope * self.early.predict(x) if self.slope else np.zeros(len(x))

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.process.predict(x) + self._expected(x)

    def deviation(self, x: np.ndarray) -> np.ndarray:
        # how far another study is wrong here is the process's to say
        extra = self.slope * self.early.deviation(x) if self.slope else 0.0
        return np.hypot(self.process.deviation(x), extra)


def _prior(geometry: Geometry) -> Prior:
    """Accuracies rise or fall with the erased share, and differ more slowly with everything else."""
    line = None
    if geometry.shares is not None:
        column, low, high = geometry.shares
        line = Line(column, (low + high) / 2, SLOPE / (high - low))
    return Prior(LENGTH, line, LEAST_DEVIATION)


def _learn(process: GaussianProcess, x: np.ndarray, rest: np.ndarray, values: _Values, fitted: int) -> int:
    """Condition the process on what is to be explained of values; returns how many trials it was last fitted to."""
    known = values.known
    x, rest, noise = x[known], rest[known], values.noise[known]
    if len(x) and values.trials >= GROWTH * fitted:
        step = -(-len(x) // MOST_FITTED)
        process.fit(x[::step], rest[::step], noise[::step])
        fitted = values.trials
    process.condition(x, rest, noise)
    return fitted


class FrontModel:
    """Natural and attack accuracy of every law of a space, from noisy trials of some.

    Both are modelled as arcsin(sqrt(accuracy)) by Gaussian processes. `enough` tells whether there is anything to
    learn from.

    Args:
        elsewhere: trials of another study, in the same geometry, whose accuracies are a prior of those here.
    """

    LEAST = 2

    def __init__(self, geometry: Geometry, elsewhere: Observations | None = None) -> None:
        self.geometry = geometry
        self.elsewhere = elsewhere if elsewhere is not None and _enough(elsewhere) else None
        there = FrontModel(geometry).update(self.elsewhere) if self.elsewhere is not None else None
        self.natural = _Objective(geometry, there and there.natural.process)
        self.attack = _Objective(geometry, there and there.attack.process)
        self.held = np.empty(0, dtype=int)

    def enough(self, observed: Observations) -> bool:
        return self.elsewhere is not None or _enough(observed)

    def update(self, observed: Observations) -> FrontModel:
        """Learn from these trials, which replace those of the last time. `held` are those that stand for all."""
        x = self.geometry.columns(observed.units)
        self.held = np.arange(len(observed))
        belongs = None
        if len(observed) > MOST_POINTS:
            self.held = centres(x, np.column_stack([-observed.natural, observed.attack]), MOST_POINTS)
            belongs = gathered(x, self.held)
            one = np.ones(len(x))
            x = np.column_stack([means(column, one, belongs, MOST_POINTS)[0] for column in x.T])
        one = np.ones(len(observed))
        for objective, now, weight, early in (
            (self.natural, observed.natural, one, observed.early_natural),
            (self.attack, observed.attack, observed.attacked, observed.early_attack),
        ):
            objective.update(x, _values(now, weight, belongs), _values(early, one, belongs))
        return self

    def expected(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Natural and attack accuracy to expect at points of the unit cube, (n,) each."""
        x = self.geometry.columns(units)
        return drawn_in(self.natural.predict(x)), drawn_in(self.attack.predict(x))

    def deviations(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviations of what `expected` says, (n,) each, as arcsin(sqrt(accuracy))."""
        x = self.geometry.columns(units)
        return self.natural.deviation(x), self.attack.deviation(x)

    def paths(self, count: int, rng: np.random.Generator) -> Worlds:
        """`count` worlds that the trials may have come from."""
        return Worlds(self, self.natural.process.paths(count, rng), self.attack.process.paths(count, rng))


@dataclass(frozen=True)
class Worlds:
    """Joint draws of both accuracies everywhere."""

    model: FrontModel
    natural: Any
    attack: Any

    def __call__(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Natural and attack accuracy in every world at points of the unit cube: (worlds, n) each."""
        x = self.model.geometry.columns(units)
        natural = self.natural(x) + self.model.natural._expected(x)
        attack = self.attack(x) + self.model.attack._expected(x)
        return drawn_in(natural), drawn_in(attack)


def _enough(observed: Observations) -> bool:
    return min(np.isfinite(observed.natural).sum(), np.isfinite(observed.attack).sum()) >= FrontModel.LEAST


def _values(accuracy: np.ndarray, weight: np.ndarray, belongs: np.ndarray | None) -> _Values:
    """Accuracies of trials, or the means of those that belong together, on the scale of equal noise."""
    value, trials = spread_out(accuracy), int(np.isfinite(accuracy).sum())
    if belongs is None:
        return _Values(value, 1 / weight, trials)
    mean, together = means(value, weight, belongs, MOST_POINTS)
    with np.errstate(divide="ignore"):
        return _Values(mean, 1 / together, trials)
