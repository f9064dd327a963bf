"""Distances between distributions that are means over couples: energy distance and maximum mean discrepancy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mi_tune.judging.features.two_samples import Measure, TwoSamples, permutation_p


def energy_distance(samples: TwoSamples, regroupings: np.ndarray | None = None) -> Measure:
    """2 E|x - y| - E|x - x'| - E|y - y'|, in the features' own unit: 0 if and only if the distributions are the same.

    Székely and Rizzo, "Energy statistics" (2013); the unbiased estimate, which can be negative. In one dimension the
    square of what scipy.stats.energy_distance gives, without that one's bias, which with a handful of rows is larger
    than most differences, and largest for samples that are most spread. Needs two rows of each sample.

    Args:
        regroupings: of `samples.regroupings`, for the p-value.
    """
    if reason := samples.too_small(2):
        return Measure(math.nan, math.nan, 0.0, reason)
    scale = samples.distances.mean() or 1.0

    def statistic(groupings: np.ndarray) -> np.ndarray:
        between, first, second = samples.means(samples.distances / scale, groupings)
        return 2 * between - first - second

    return _tested(samples, statistic, regroupings, scale)


def squared_mmd(samples: TwoSamples, regroupings: np.ndarray | None = None) -> Measure:
    """MMD^2 with a Gaussian kernel: at most 2, 0 if and only if the distributions are the same.

    Gretton et al., "A Kernel Two-Sample Test" (2012), the unbiased estimate of Lemma 6, which can be negative;
    bandwidth by their median heuristic: the median distance of both samples' comparable rows. Needs two rows of each
    sample.

    Args:
        regroupings: of `samples.regroupings`, for the p-value.
    """
    if reason := samples.too_small(2):
        return Measure(math.nan, math.nan, 0.0, reason)
    bandwidth = np.median(samples.distances[samples.comparable]) or 1.0
    kernel = np.exp(-0.5 * np.square(samples.distances / bandwidth))

    def statistic(groupings: np.ndarray) -> np.ndarray:
        between, first, second = samples.means(kernel, groupings)
        return first + second - 2 * between

    return _tested(samples, statistic, regroupings, 1.0)


def _tested(
    samples: TwoSamples,
    statistic: Callable[[np.ndarray], np.ndarray],
    regroupings: np.ndarray | None,
    scale: float,
) -> Measure:
    value = float(statistic(samples.grouping[None])[0])
    if regroupings is None:
        return Measure(value * scale, math.nan, 0.0)
    return Measure(value * scale, permutation_p(value, statistic(regroupings)), 0.0, samples.too_few_regroupings())
