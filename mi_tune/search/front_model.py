"""The front model: Gaussian processes of natural and attack accuracy over the space, fitted to noisy trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mi_tune.search.arcsine import from_arcsine, to_arcsine
from mi_tune.search.condense import group_means, nearest_representative, select_representatives
from mi_tune.search.gaussian import GaussianProcess, LinearTerm, PosteriorSamples, ProcessPrior
from mi_tune.search.geometry import Geometry
from mi_tune.search.observations import Observations

MAX_POINTS = 400
"""Most points that the model is conditioned on. More trials are condensed: each representative has the mean of the
trials nearest to it."""
MAX_FITTED_POINTS = 200
"""Most points that length scales are fitted to."""
EARLIER_SLOPE_WEIGHT = 4.0
"""Weight, in trials, of the prior that the slope on an earlier study is 1: that its accuracies hold here too."""
MIN_TRIALS_TO_REJECT_EARLIER = 8
"""From this many trials on, the earlier study is used only if it improves leave-one-out prediction."""
EARLIER_DEVIATION = 0.15
"""Expected standard deviation of this study's accuracies around an earlier study's, as arcsin(sqrt(accuracy))."""
LOG_LENGTH_PRIOR = (0.8, 0.8)
"""Mean and standard deviation of the normal prior on the logarithm of length scales. It expects long ones: apart from
the share that a law erases, most of its parameters matter little."""
SHARE_SLOPE_DEVIATION = 2.0
"""Standard deviation of the prior on how much an accuracy rises or falls linearly from the smallest erased share of the
space to the largest, in standard deviations of that accuracy."""
MIN_DEVIATION = 0.05
"""Lower bound of an accuracy's standard deviation over a space, as arcsin(sqrt(accuracy)): that two trials agree does
not mean that all laws do."""
REFIT_GROWTH = 1.15
"""Length scales are fitted again when the number of trials has grown by this factor since the last fit."""


@dataclass(frozen=True)
class _Values:
    """Values of one accuracy at n points, as arcsin(sqrt(accuracy)).

    Args:
        mean: (n,), NaN where there is none. noise: noise variance of each relative to that of one trial, (n,).
        trials: number of trials that were measured.
    """

    mean: np.ndarray
    noise: np.ndarray
    trials: int

    @property
    def known(self) -> np.ndarray:
        return np.isfinite(self.mean)


@dataclass(frozen=True)
class _Fit:
    """What one update of an accuracy's model arrived at: a regression on a cheaper source, and a process of the rest.

    Args:
        process: of what the regression leaves to explain. source: the process of the cheaper source, or None.
        slope: on the source. known_elsewhere: whether the source is an earlier study, whose error here is part of
            `process` already.
    """

    process: GaussianProcess
    source: GaussianProcess | None = None
    slope: float = 0.0
    known_elsewhere: bool = False

    def regression(self, x: np.ndarray) -> np.ndarray:
        """The part that the cheaper source explains at points x, (n,)."""
        return self.slope * self.source.predict(x) if self.source is not None and self.slope else np.zeros(len(x))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Posterior mean, (n,)."""
        return self.process.predict(x) + self.regression(x)

    def deviation(self, x: np.ndarray) -> np.ndarray:
        """Posterior standard deviation, (n,)."""
        own = self.process.deviation(x)
        if self.source is None or not self.slope or self.known_elsewhere:
            return np.hypot(own, 0.0)
        return np.hypot(own, self.slope * self.source.deviation(x))


class _AccuracyModel:
    """One accuracy: a linear regression on a cheaper source, plus a Gaussian process of its residuals.

    This is the autoregressive co-kriging of Kennedy and O'Hagan (2000). The cheaper source is an earlier study, or the
    same trials early in their training. The slope on early accuracies is shrunk towards 0, as far as few trials can
    support it; the slope on an earlier study is shrunk towards 1, because laws are expected to rank there as here
    until trials show otherwise.

    Args:
        earlier: the fitted process of an earlier study, or None.
    """

    def __init__(self, geometry: Geometry, earlier: GaussianProcess | None = None) -> None:
        groups, prior = geometry.groups, _prior(geometry)
        self.earlier = earlier
        # without an earlier study; early in training; and what an earlier study leaves to explain
        self.direct, self.early = (GaussianProcess(groups, prior=prior) for _ in range(2))
        self.residual = GaussianProcess(groups, EARLIER_DEVIATION, ProcessPrior(LOG_LENGTH_PRIOR))
        self.direct_fitted, self.early_fitted, self.residual_fitted = 0, 0, 0

    def update(self, x: np.ndarray, y: _Values, early: _Values) -> _Fit:
        """Learn from values at points x, (n, columns)."""
        known, seen = y.known, early.known
        if self.earlier is not None and (fit := self._fit_to_earlier(self.earlier, x, y)) is not None:
            return fit
        fit = _Fit(self.direct)
        if seen.sum() >= 1.2 * known.sum() and (known & seen).sum() >= 5:
            self.early_fitted = _learn(self.early, x, early.mean, early, self.early_fitted)
            expected = self.early.predict(x[known])
            centred = expected - expected.mean()
            shrinkage = 0.1 * known.sum() * centred.var()
            slope = float(centred @ y.mean[known] / (centred @ centred + shrinkage + 1e-9))
            fit = _Fit(self.direct, self.early, slope)
        self.direct_fitted = _learn(self.direct, x, y.mean - fit.regression(x), y, self.direct_fitted)
        return fit

    PROCESSES = ("direct", "early", "residual")

    def memory(self) -> dict[str, Any]:
        """What it knows beside the trials, as plain values: where the last fits ended, and how many trials they saw."""
        return {name: [getattr(self, f"{name}_fitted"), *getattr(self, name).theta.tolist()] for name in self.PROCESSES}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Take over what `memory` returned."""
        for name in self.PROCESSES:
            fitted, *theta = memory[name]
            setattr(self, f"{name}_fitted", fitted)
            getattr(self, name).theta = np.array(theta)

    def _fit_to_earlier(self, earlier: GaussianProcess, x: np.ndarray, y: _Values) -> _Fit | None:
        """Learn the residuals from the earlier study; None if leave-one-out prediction is better without it."""
        known = y.known
        expected = earlier.predict(x[known])
        centred = expected - expected.mean() if len(expected) else expected
        weight = EARLIER_SLOPE_WEIGHT * earlier.scale**2
        slope = float((centred @ y.mean[known] + weight) / (centred @ centred + weight))
        rest = y.mean - slope * earlier.predict(x)
        self.residual_fitted = _learn(self.residual, x, rest, y, self.residual_fitted)
        if known.sum() >= MIN_TRIALS_TO_REJECT_EARLIER:
            self.direct_fitted = _learn(self.direct, x, y.mean, y, self.direct_fitted)
            if self.direct.leave_one_out_log_density() > self.residual.leave_one_out_log_density():
                return None
        return _Fit(self.residual, earlier, slope, known_elsewhere=True)


def _prior(geometry: Geometry) -> ProcessPrior:
    """Accuracies rise or fall with the erased share, and vary more slowly with everything else."""
    linear = None
    if geometry.shares is not None:
        column, low, high = geometry.shares
        linear = LinearTerm(column, (low + high) / 2, SHARE_SLOPE_DEVIATION / (high - low))
    return ProcessPrior(LOG_LENGTH_PRIOR, linear, MIN_DEVIATION)


def _learn(process: GaussianProcess, x: np.ndarray, rest: np.ndarray, values: _Values, fitted: int) -> int:
    """Condition the process on `rest`, what is to be explained of the values; refit it first if REFIT_GROWTH says so.

    Returns:
        How many trials there were at the last fit; `fitted` is that number before.
    """
    known = values.known
    x, rest, noise = x[known], rest[known], values.noise[known]
    if len(x) and values.trials >= REFIT_GROWTH * fitted:
        step = -(-len(x) // MAX_FITTED_POINTS)
        process.fit(x[::step], rest[::step], noise[::step])
        fitted = values.trials
    process.condition(x, rest, noise)
    return fitted


class FrontModel:
    """Natural and attack accuracy of every law of a space, predicted from noisy trials of some.

    Each is an independent Gaussian process of arcsin(sqrt(accuracy)), the scale on which all accuracies are equally
    noisy; see `_AccuracyModel` for what an earlier study and early accuracies add.

    Args:
        earlier: trials of an earlier study, in the same geometry, as a prior of this one; None or too few: no prior.
    """

    MIN_TRIALS = 2
    """Fewest measurements of each accuracy that a model is fitted to."""

    natural: _Fit
    attack: _Fit

    def __init__(self, geometry: Geometry, earlier: Observations | None = None) -> None:
        self.geometry = geometry
        self.earlier: Observations | None = None
        natural: GaussianProcess | None = None
        attack: GaussianProcess | None = None
        if earlier is not None and _enough(earlier):
            self.earlier = earlier
            model = FrontModel(geometry).update(earlier)
            natural, attack = model.natural.process, model.attack.process
        self._natural, self._attack = _AccuracyModel(geometry, natural), _AccuracyModel(geometry, attack)
        self.natural, self.attack = _Fit(self._natural.direct), _Fit(self._attack.direct)
        self.representatives = np.empty(0, dtype=int)

    def memory(self) -> dict[str, Any]:
        """What the model knows beside the trials, as plain values that JSON keeps exactly."""
        return {"natural": self._natural.memory(), "attack": self._attack.memory()}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Take over what `memory` returned in another process, before an update."""
        self._natural.recall(memory["natural"])
        self._attack.recall(memory["attack"])

    def enough(self, observed: Observations) -> bool:
        """Whether the model can be updated with these trials: there are MIN_TRIALS, or there is an earlier study."""
        return self.earlier is not None or _enough(observed)

    def update(self, observed: Observations) -> FrontModel:
        """Learn from these trials, which replace those of the last update.

        `representatives` are then the indices of the trials that the model is conditioned on: all of them, or
        MAX_POINTS.
        """
        x = self.geometry.columns(observed.units)
        self.representatives = np.arange(len(observed))
        groups = None
        if len(observed) > MAX_POINTS:
            losses = np.column_stack([-observed.natural, observed.attack])
            self.representatives = select_representatives(x, losses, MAX_POINTS)
            groups = nearest_representative(x, self.representatives)
            one = np.ones(len(x))
            x = np.column_stack([group_means(column, one, groups, MAX_POINTS)[0] for column in x.T])
        one = np.ones(len(observed))

        def fit(model: _AccuracyModel, final: np.ndarray, weight: np.ndarray, early: np.ndarray) -> _Fit:
            return model.update(x, _values(final, weight, groups), _values(early, one, groups))

        self.natural = fit(self._natural, observed.natural, one, observed.early_natural)
        self.attack = fit(self._attack, observed.attack, observed.attacked, observed.early_attack)
        return self

    def expected(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Natural and attack accuracy to expect at points of the unit cube (n, parameters): (n,) each."""
        x = self.geometry.columns(units)
        return from_arcsine(self.natural.predict(x)), from_arcsine(self.attack.predict(x))

    def deviations(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Posterior standard deviations of both accuracies, as arcsin(sqrt(accuracy)): (n,) each."""
        x = self.geometry.columns(units)
        return self.natural.deviation(x), self.attack.deviation(x)

    def sample_posterior(self, count: int, rng: np.random.Generator) -> FrontSamples:
        """Draw `count` posterior samples of both accuracies."""
        natural = self.natural.process.sample_posterior(count, rng)
        return FrontSamples(self, natural, self.attack.process.sample_posterior(count, rng))


@dataclass(frozen=True)
class FrontSamples:
    """Posterior samples of both accuracies as functions over the whole space."""

    model: FrontModel
    natural: PosteriorSamples
    attack: PosteriorSamples

    def __call__(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Natural and attack accuracy of every sample at points of the unit cube (n, parameters): (samples, n) each."""
        x = self.model.geometry.columns(units)
        natural = self.natural(x) + self.model.natural.regression(x)
        attack = self.attack(x) + self.model.attack.regression(x)
        return from_arcsine(natural), from_arcsine(attack)


def _enough(observed: Observations) -> bool:
    return min(np.isfinite(observed.natural).sum(), np.isfinite(observed.attack).sum()) >= FrontModel.MIN_TRIALS


def _values(accuracy: np.ndarray, weight: np.ndarray, groups: np.ndarray | None) -> _Values:
    """Accuracies of trials, or the means of groups of them, transformed; `weight` is inverse to the noise variance."""
    value, trials = to_arcsine(accuracy), int(np.isfinite(accuracy).sum())
    if groups is None:
        return _Values(value, 1 / weight, trials)
    mean, total = group_means(value, weight, groups, MAX_POINTS)
    with np.errstate(divide="ignore"):
        return _Values(mean, 1 / total, trials)
