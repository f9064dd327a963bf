"""The nearest-neighbour two-sample statistic."""

from __future__ import annotations

import math

import numpy as np

from mi_tune.judging.features.two_samples import Measure, TwoSamples, permutation_p


def neighbour_share(samples: TwoSamples, regroupings: np.ndarray | None = None, neighbours: int = 3) -> Measure:
    """Share of the rows' nearest neighbours that belong to the same sample as the row, in [0, 1].

    Schilling, "Multivariate Two-Sample Tests Based on Nearest Neighbors" (1986). `expected` depends on the sizes of the
    samples, because most neighbours come from the larger one. Needs more than `neighbours` rows of each sample;
    otherwise even well separated samples would have neighbours in each other.

    Args:
        regroupings: from `samples.regroupings`, for the p-value; without them there is none.
        neighbours: number of nearest neighbours per row.
    """
    own = samples.grouping[:, None] == samples.grouping
    expected = float((own & samples.comparable).sum() / max(samples.comparable.sum(), 1))
    if reason := samples.too_small(neighbours + 1):
        return Measure(math.nan, math.nan, expected, reason)
    distances = np.where(samples.comparable, samples.distances, np.inf)
    last = np.sort(distances, 1)[:, neighbours - 1, None]
    closer, tied = distances < last, distances == last
    # Rows that tie for the last neighbour share its weight. Taking the first of them would favour the first sample.
    near = closer + tied * (neighbours - closer.sum(1, keepdims=True)) / tied.sum(1, keepdims=True)
    near /= neighbours * len(near)

    def statistic(groupings: np.ndarray) -> np.ndarray:
        first = groupings.astype(np.float64)
        return ((first @ near) * first).sum(1) + (((1 - first) @ near) * (1 - first)).sum(1)

    value = float(statistic(samples.grouping[None])[0])
    if regroupings is None:
        return Measure(value, math.nan, expected)
    return Measure(value, permutation_p(value, statistic(regroupings)), expected, samples.too_few_regroupings())
