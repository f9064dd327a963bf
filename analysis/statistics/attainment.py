"""Uncertainty of the front: the probability of being on it, an interval of its hypervolume, and where it may lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import moocore
import numpy as np

from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.errors import InputError
from mi_tune.search.front import HYPERVOLUME_REFERENCE, front_mask, hypervolume

LEVELS = (0.05, 0.5, 0.95)
MAX_DRAWS = 1000
ACCURACY_DECIMALS = 3
"""At most so many draws, rounded to so many decimals, keep the attainment surfaces short enough to draw."""


class AttainmentSurface(NamedTuple):
    """Border of the region that at least a share `level` of the draws attains, as a staircase line.

    `natural` rises from 0 and `attack` rises to 1, in alternating steps; both have the shape (2 * steps,). Fewer draws
    attain the points to the right of the line and below it. Level 0.05 is the optimistic border, 0.5 the median front
    and 0.95 the border to rely on.
    """

    level: float
    natural: np.ndarray
    attack: np.ndarray


def front_probability(natural: np.ndarray, attack: np.ndarray) -> np.ndarray:
    """Share of the draws in which each point is on the front.

    Equal points are all on the front, so the shares may sum to more than the number of points on the front.

    Args:
        natural, attack: joint draws of both accuracies, (resamples, points) each.

    Returns:
        Shares in [0, 1], (points,).
    """
    natural, attack = _checked_draws(natural, attack)
    return np.mean([front_mask(n, a) for n, a in zip(natural, attack, strict=True)], axis=0)


def hypervolume_interval(
    values: tuple[np.ndarray, np.ndarray], draws: tuple[np.ndarray, np.ndarray], level: float = 0.95
) -> Estimate:
    """Hypervolume from natural accuracy 0 and attack accuracy 1, corrected for selection bias, with its interval.

    Args:
        values: estimates of natural and attack accuracy, (points,) each.
        draws: joint draws of both, (resamples, points) each.

    A front is the best of noisy points, so its area is too large on average. Draws scatter around the estimates, so
    their areas are too large once more, by about as much. The ends are therefore those of the basic bootstrap: the
    estimate's area minus quantiles of (draw's area - estimate's area) (Davison and Hinkley 1997, section 5.2). The
    value is the same with the median. All three are clipped to [0, 1]. Some bias remains where many points are truly
    equal: with normal noise and ten equal points, the 95 % interval contained the true area in 82 % of simulated
    studies (the percentile interval in none); with ten points in steps of 0.4 standard deviations, in 94 % (the
    percentile interval in 74 %).
    """
    natural, attack = _checked_draws(*draws)
    area = hypervolume(*values)
    drawn = np.array([hypervolume(n, a) for n, a in zip(natural, attack, strict=True)])
    lower, middle, upper = np.quantile(drawn, [(1 - level) / 2, 0.5, (1 + level) / 2])
    value, low, high = np.clip([2 * area - middle, 2 * area - upper, 2 * area - lower], 0.0, 1.0)
    return Estimate(float(value), float(low), float(high))


def attainment_surfaces(
    natural: np.ndarray, attack: np.ndarray, levels: Sequence[float] = LEVELS
) -> tuple[AttainmentSurface, ...]:
    """Empirical attainment surfaces of the draws (Grunert da Fonseca, Fonseca and Hall 2001).

    A draw attains a place (natural, attack) if one of its points is at least as accurate and leaks no more. At most
    MAX_DRAWS evenly spaced draws are used, rounded to ACCURACY_DECIMALS decimals, to keep the lines short.

    Args:
        natural, attack: joint draws of both accuracies, (resamples, points) each. levels: shares in (0, 1].

    Returns:
        One surface per level.

    Raises:
        InputError: no level, or one outside (0, 1]; or draws whose shapes differ.
    """
    natural, attack = _checked_draws(natural, attack)
    if not levels or not all(0 < level <= 1 for level in levels):
        raise InputError(f"levels are {tuple(levels)}; give shares of the draws, above 0 and at most 1")
    chosen = np.linspace(0, len(natural) - 1, min(MAX_DRAWS, len(natural))).round().astype(int)
    points = np.column_stack([-natural[chosen].ravel(), attack[chosen].ravel()]).round(ACCURACY_DECIMALS)
    sets = np.repeat(np.arange(len(chosen)), natural.shape[1])
    return tuple(_surface(level, moocore.eaf(points, sets, percentiles=[100 * level])) for level in levels)


def _surface(level: float, corners: np.ndarray) -> AttainmentSurface:
    natural, attack = -corners[:, 0], corners[:, 1]
    order = np.lexsort([attack, natural])
    natural, attack = natural[order], attack[order]
    natural_steps, attack_steps = np.repeat(natural, 2), np.repeat(attack, 2)
    natural_end, attack_end = HYPERVOLUME_REFERENCE
    return AttainmentSurface(
        level, np.concatenate([[natural_end], natural_steps]), np.concatenate([attack_steps, [attack_end]])
    )


def _checked_draws(natural: np.ndarray, attack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    natural, attack = np.asarray(natural, dtype=float), np.asarray(attack, dtype=float)
    if natural.shape != attack.shape or natural.ndim != 2 or 0 in natural.shape:
        raise InputError(
            f"draws of natural accuracy are {natural.shape} and of attack accuracy {attack.shape}; "
            "give the same draws of the same points, (resamples, points)"
        )
    return natural, attack
