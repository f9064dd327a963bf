"""Simulated attack hits with known true accuracies: people, seeds and their interaction change the odds of a hit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(101)


@dataclass(frozen=True)
class CrossedDesign:
    """A crossed design of seeds and people, with normal random effects on the log-odds of a hit.

    rates: true accuracy of each point, over infinitely many people and seeds. Standard deviations of the effects:
    class_sd, of a person, the same for all points; own_class_sd, of a person at one point; seed_sd, of a training of
    one point; interaction_sd, of a person with one seed at one point.
    """

    rates: tuple[float, ...]
    seeds: int = 3
    classes: int = 100
    images: int = 8
    seed_sd: float = 0.2
    class_sd: float = 2.0
    own_class_sd: float = 0.5
    interaction_sd: float = 0.5

    def hits(self, rng: np.random.Generator) -> np.ndarray:
        """Hits of one simulated study, 0 or 1, (points, seeds, classes, images)."""
        points = len(self.rates)
        spread = np.sqrt(self.seed_sd**2 + self.class_sd**2 + self.own_class_sd**2 + self.interaction_sd**2)
        odds = np.array([_intercept(rate, spread) for rate in self.rates])[:, None, None]
        odds = (
            odds
            + self.class_sd * rng.standard_normal(self.classes)
            + self.own_class_sd * rng.standard_normal((points, 1, self.classes))
            + self.seed_sd * rng.standard_normal((points, self.seeds, 1))
            + self.interaction_sd * rng.standard_normal((points, self.seeds, self.classes))
        )
        drawn = rng.random((*odds.shape, self.images))
        return (drawn < special.expit(odds)[..., None]).astype(float)


def _intercept(rate: float, spread: float) -> float:
    """The log-odds at which the logistic function with normal noise of standard deviation `spread` has mean `rate`."""
    weights = WEIGHTS / WEIGHTS.sum()
    return optimize.brentq(lambda at: special.expit(at + spread * NODES) @ weights - rate, -60, 60)
