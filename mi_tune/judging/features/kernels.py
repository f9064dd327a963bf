"""Two-sample statistics that are means over pairs of rows: energy distance and maximum mean discrepancy (MMD)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mi_tune.judging.features.two_samples import Measure, TwoSamples, permutation_p


def energy_distance(samples: TwoSamples, regroupings: np.ndarray | None = None) -> Measure:
    """Energy distance 2 E|x - y| - E|x - x'| - E|y - y'|, in the unit of the features.

    It is 0 if and only if the distributions are the same. Székely and Rizzo, "Energy statistics" (2013); this is the
    unbiased estimate, which can be negative. In one dimension it estimates the square of scipy.stats.energy_distance,
    whose estimate is biased. With few rows that bias exceeds most differences, and it grows with the samples' spread.
    Needs two rows of each sample.

    Args:
        regroupings: from `samples.regroupings`, for the p-value; without them there is none.
    """
    if reason := samples.too_small(2):
        return Measure(math.nan, math.nan, 0.0, reason)
    scale = samples.distances.mean() or 1.0

    def statistic(groupings: np.ndarray) -> np.ndarray:
        between, first, second = samples.means(samples.distances / scale, groupings)
        return 2 * between - first - second

    return _with_p_value(samples, statistic, regroupings, scale)


def squared_mmd(samples: TwoSamples, regroupings: np.ndarray | None = None) -> Measure:
    """Squared maximum mean discrepancy (MMD^2) with a Gaussian kernel, at most 2.

    It is 0 if and only if the distributions are the same. Gretton et al., "A Kernel Two-Sample Test" (2012): the
    unbiased estimate of Lemma 6, which can be negative. The bandwidth follows their median heuristic: the median
    distance over all comparable pairs of rows of both samples. Needs two rows of each sample.

    Args:
        regroupings: from `samples.regroupings`, for the p-value; without them there is none.
    """
    if reason := samples.too_small(2):
        return Measure(math.nan, math.nan, 0.0, reason)
    bandwidth = np.median(samples.distances[samples.comparable]) or 1.0
    kernel = np.exp(-0.5 * np.square(samples.distances / bandwidth))

    def statistic(groupings: np.ndarray) -> np.ndarray:
        between, first, second = samples.means(kernel, groupings)
        return first + second - 2 * between

    return _with_p_value(samples, statistic, regroupings, 1.0)


def _with_p_value(
    samples: TwoSamples,
    statistic: Callable[[np.ndarray], np.ndarray],
    regroupings: np.ndarray | None,
    scale: float,
) -> Measure:
    value = float(statistic(samples.grouping[None])[0])
    if regroupings is None:
        return Measure(value * scale, math.nan, 0.0)
    return Measure(value * scale, permutation_p(value, statistic(regroupings)), 0.0, samples.too_few_regroupings())
