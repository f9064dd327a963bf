"""Noise of a trial's accuracies between seeds, and of who is hit, estimated from laws that ran with several seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from mi_tune.runtime.errors import InputError

CLASS_SPREAD_GRID = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Candidates for `HitModel.spread`."""


@dataclass(frozen=True)
class Noise:
    """Multivariate normal noise of the values of one trial, as arcsin(sqrt(accuracy)).

    The effect that a seed has on all laws alike is not included, because it changes no comparison.

    Args:
        names: the values, such as `natural_accuracy@2` (at rung 2). covariance: (values, values). laws: how many laws
            it was estimated from.
    """

    names: tuple[str, ...]
    covariance: np.ndarray
    laws: int

    @property
    def deviations(self) -> np.ndarray:
        return np.sqrt(np.diag(self.covariance))

    @property
    def correlations(self) -> np.ndarray:
        deviations = np.maximum(self.deviations, 1e-12)
        return self.covariance / np.outer(deviations, deviations)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """The noise of one trial, (values,)."""
        return self._root @ rng.standard_normal(len(self.names))

    @property
    def _root(self) -> np.ndarray:
        sizes, axes = np.linalg.eigh(self.covariance)
        return axes * np.sqrt(np.maximum(sizes, 0))


def measure_noise(values: np.ndarray, names: tuple[str, ...]) -> Noise:
    """Estimate the noise: the residual covariance of a two-way analysis of variance with laws and seeds as factors.

    Args:
        values: (laws, seeds, values). Laws with a missing value are left out.

    Raises:
        InputError: fewer than two seeds, or fewer than ten whole laws.
    """
    whole = values[np.isfinite(values).all((1, 2))]
    laws, seeds = whole.shape[:2]
    if seeds < 2 or laws < 10:
        raise InputError(
            f"the table has {laws} laws that were measured under each of {seeds} seeds; "
            "noise is measured on at least 10 laws under at least 2 seeds"
        )
    rest = whole - whole.mean(1, keepdims=True)
    rest = (rest - rest.mean(0, keepdims=True)).reshape(laws * seeds, -1)
    return Noise(names, rest.T @ rest / ((laws - 1) * (seeds - 1)), laws)


@dataclass(frozen=True)
class HitModel:
    """Which people an attack of a given accuracy hits: a logistic model with a random effect per class and trial.

    Args:
        log_odds: how easy each class is to hit, (classes,), with mean 0. spread: standard deviation of the random
            effect. tries: judged reconstructions of a class.
    """

    log_odds: np.ndarray
    spread: float
    tries: int

    def hits(self, accuracy: float, rng: np.random.Generator) -> np.ndarray:
        """Draw the share of hits of each class, (classes,); their mean is `accuracy`, rounded to whole hits."""
        classes = len(self.log_odds)
        wanted = round(accuracy * classes * self.tries)
        ease = self.log_odds + self.spread * rng.standard_normal(classes)
        # a try is a hit if its latent ease is above a threshold: the one that gives the wanted number of hits
        latent = (ease[:, None] + rng.logistic(size=(classes, self.tries))).ravel()
        hit = np.zeros(classes * self.tries)
        hit[np.argsort(-latent)[:wanted]] = 1
        return hit.reshape(classes, self.tries).mean(1)


def measure_hits(hits: np.ndarray, tries: int) -> HitModel:
    """Fit the model to counts of hits (laws, seeds, classes) out of `tries`.

    The log-odds are those of each class's overall rate of hits. The spread is fitted by simulation, the method of
    simulated moments: of CLASS_SPREAD_GRID, the one under which classes differ between two seeds of a law as much as
    they do in the data.
    """
    rate = (hits.mean((0, 1)) + 0.5 / hits.shape[0]) / (tries + 1 / hits.shape[0])
    log_odds = special.logit(rate)
    log_odds = log_odds - log_odds.mean()
    without_spread = HitModel(log_odds, 0.0, tries)
    share = hits.mean((1, 2)) / tries
    law = np.flatnonzero((share > 0.05) & (share < 0.95))
    if hits.shape[1] < 2 or not len(law):
        return without_spread
    measured = np.mean(_class_variance(hits[law] / tries))
    rng = np.random.default_rng(0)
    expected = []
    for spread in CLASS_SPREAD_GRID:
        model = HitModel(log_odds, spread, tries)
        drawn = [[model.hits(share[k], rng) for _ in range(2)] for k in rng.choice(law, min(len(law), 100))]
        expected.append(np.mean(_class_variance(np.array(drawn))))
    nearest = int(np.argmin(np.abs(np.array(expected) - measured)))
    return HitModel(log_odds, CLASS_SPREAD_GRID[nearest], tries)


def _class_variance(shares: np.ndarray) -> np.ndarray:
    """Variance over classes of the difference between the first two seeds of (laws, seeds, classes): (laws,)."""
    return (shares[:, 0] - shares[:, 1]).var(1, ddof=1)
