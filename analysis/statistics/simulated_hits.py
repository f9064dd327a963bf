"""Simulated hits whose true accuracies are known: people, seeds and their meeting move the odds of a hit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(101)


@dataclass(frozen=True)
class Layout:
    """What is attacked, and how much each thing moves the log-odds of a hit (all standard deviations).

    rates: true accuracy of each point, over infinitely many people and seeds. class_sd: how much easier one person is
    than another, under all points alike. own_class_sd: the same under one point only. seed_sd: how much one training
    differs from another of the same point. meeting_sd: what is left for one person under one seed of one point.
    """

    rates: tuple[float, ...]
    seeds: int = 3
    classes: int = 100
    images: int = 8
    seed_sd: float = 0.2
    class_sd: float = 2.0
    own_class_sd: float = 0.5
    meeting_sd: float = 0.5

    def hits(self, rng: np.random.Generator) -> np.ndarray:
        """One study: 0 or 1, (points, seeds, classes, images)."""
        points = len(self.rates)
        spread = np.sqrt(self.seed_sd**2 + self.class_sd**2 + self.own_class_sd**2 + self.meeting_sd**2)
        odds = np.array([_intercept(rate, spread) for rate in self.rates])[:, None, None]
        odds = (
            odds
            + self.class_sd * rng.standard_normal(self.classes)
            + self.own_class_sd * rng.standard_normal((points, 1, self.classes))
            + self.seed_sd * rng.standard_normal((points, self.seeds, 1))
            + self.meeting_sd * rng.standard_normal((points, self.seeds, self.classes))
        )
        drawn = rng.random((*odds.shape, self.images))
        return (drawn < special.expit(odds)[..., None]).astype(float)


def _intercept(rate: float, spread: float) -> float:
    """The log-odds whose logistic, with normal noise of this standard deviation, has `rate` as its mean."""
    weights = WEIGHTS / WEIGHTS.sum()
    return optimize.brentq(lambda at: special.expit(at + spread * NODES) @ weights - rate, -60, 60)
