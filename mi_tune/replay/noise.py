"""How much a trial's accuracies vary from seed to seed, measured where the same law was run with several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from mi_tune.runtime.errors import InputError

CLASS_SPREADS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)


@dataclass(frozen=True)
class Noise:
    """Normal noise of the values of one trial, as arcsin(sqrt(accuracy)).

    Args:
        names: the values, such as `natural_accuracy@2` (at rung 2). covariance: (values, values). laws: how many laws
            it was measured on. A seed's effect on all laws alike is not in it: it changes no comparison.
    """

    names: tuple[str, ...]
    covariance: np.ndarray
    laws: int

    @property
    def deviations(self) -> np.ndarray:
        return np.sqrt(np.diag(self.covariance))

    @property
    def correlations(self) -> np.ndarray:
        apart = np.maximum(self.deviations, 1e-12)
        return self.covariance / np.outer(apart, apart)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """The noise of one trial, (values,)."""
        return self._root @ rng.standard_normal(len(self.names))

    @property
    def _root(self) -> np.ndarray:
        sizes, axes = np.linalg.eigh(self.covariance)
        return axes * np.sqrt(np.maximum(sizes, 0))


def measure_noise(values: np.ndarray, names: tuple[str, ...]) -> Noise:
    """Covariance of what is left of the values when every law's and every seed's mean is taken off.

    Args:
        values: (laws, seeds, values). Laws with a value missing under any seed are left out.

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
class People:
    """Who is hit when an attack hits a certain share: log-odds of every class, and how far they move between trials.

    Args:
        odds: (classes,), around 0. spread: standard deviation of what moves a class in one trial alone. tries:
            reconstructions of a class that are judged.
    """

    odds: np.ndarray
    spread: float
    tries: int

    def hits(self, accuracy: float, rng: np.random.Generator) -> np.ndarray:
        """Share of hits of each class, (classes,), whose mean is `accuracy` as nearly as whole hits can be."""
        classes = len(self.odds)
        wanted = round(accuracy * classes * self.tries)
        ease = self.odds + self.spread * rng.standard_normal(classes)
        # every try is hit that is easier than some threshold: the one at which as many are hit as are wanted
        eased = (ease[:, None] + rng.logistic(size=(classes, self.tries))).ravel()
        hit = np.zeros(classes * self.tries)
        hit[np.argsort(-eased)[:wanted]] = 1
        return hit.reshape(classes, self.tries).mean(1)


def measure_people(hits: np.ndarray, tries: int) -> People:
    """From counts of hits (laws, seeds, classes) out of `tries`.

    The spread is the one, of CLASS_SPREADS, under which a class differs between two seeds of a law as much as it did.
    """
    rate = (hits.mean((0, 1)) + 0.5 / hits.shape[0]) / (tries + 1 / hits.shape[0])
    odds = special.logit(rate)
    odds = odds - odds.mean()
    people = People(odds, 0.0, tries)
    share = hits.mean((1, 2)) / tries
    law = np.flatnonzero((share > 0.05) & (share < 0.95))
    if hits.shape[1] < 2 or not len(law):
        return people
    measured = np.mean(_class_variance(hits[law] / tries))
    rng = np.random.default_rng(0)
    expected = []
    for spread in CLASS_SPREADS:
        trial = People(odds, spread, tries)
        drawn = [[trial.hits(share[k], rng) for _ in range(2)] for k in rng.choice(law, min(len(law), 100))]
        expected.append(np.mean(_class_variance(np.array(drawn))))
    nearest = int(np.argmin(np.abs(np.array(expected) - measured)))
    return People(odds, CLASS_SPREADS[nearest], tries)


def _class_variance(shares: np.ndarray) -> np.ndarray:
    """Of (laws, seeds, classes): variance over classes of the first two seeds' difference, (laws,)."""
    return (shares[:, 0] - shares[:, 1]).var(1, ddof=1)
