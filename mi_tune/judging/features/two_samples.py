"""Two samples of features with their distances, and the regroupings for permutation tests."""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from mi_tune.runtime.errors import InputError

MIN_REGROUPINGS = 20
"""With fewer distinct regroupings no p-value can reach 5 %, so none is computed."""


class Measure(NamedTuple):
    """A measure of how far two samples are apart.

    value: NaN if the samples are too small. p_value: for the null hypothesis that both samples come from one
    distribution, in (0, 1]; NaN if it was not requested or cannot be computed. expected: the value under the null
    hypothesis. reason: why something is missing; empty if nothing is.
    """

    value: float
    p_value: float
    expected: float
    reason: str = ""


class TwoSamples:
    """The rows of two samples with their distances.

    Args:
        first, second: features (n, features) and (m, features).
        paired: row i of `second` was made from row i of `first`, or the other way round. Such partners are never
            compared with each other, because they resemble each other whatever the distributions are. Leaving them out
            keeps the unbiased estimates unbiased.

    Raises:
        InputError: the samples differ in their number of features, paired samples differ in length, or some values are
            not finite.
    """

    def __init__(self, first: np.ndarray, second: np.ndarray, paired: bool = False) -> None:
        if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
            raise InputError(
                f"samples of shapes {first.shape} and {second.shape} cannot be compared; give (rows, features)"
            )
        if paired and len(first) != len(second):
            raise InputError(f"paired samples of {len(first)} and {len(second)} rows; give equally many")
        self.rows = np.concatenate([first, second]).astype(np.float64)
        if not np.isfinite(self.rows).all():
            raise InputError("the features hold values that are not finite; did the model's training diverge?")
        self.sizes, self.paired = (len(first), len(second)), paired

    @cached_property
    def grouping(self) -> np.ndarray:
        """Which rows belong to the first sample, bool (n + m,)."""
        return np.arange(len(self.rows)) < self.sizes[0]

    @cached_property
    def distances(self) -> np.ndarray:
        """Euclidean distances between all rows, (n + m, n + m)."""
        return cdist(self.rows, self.rows)

    @cached_property
    def comparable(self) -> np.ndarray:
        """Which pairs of rows count, bool (n + m, n + m): no row with itself, and no row with its partner."""
        counts = ~np.eye(len(self.rows), dtype=bool)
        if self.paired:
            row, partner = np.arange(self.sizes[0]), np.arange(self.sizes[0]) + self.sizes[0]
            counts[row, partner] = counts[partner, row] = False
        return counts

    @property
    def distinct_regroupings(self) -> int:
        """Number of regroupings that can give different values. Swapping two samples of equal size changes nothing."""
        n, m = self.sizes
        if self.paired:
            return 2 ** max(n - 1, 0)
        return math.comb(n + m, n) // (2 if n == m else 1)

    def regroupings(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Random regroupings for a permutation test, bool (count, n + m), each like `grouping`.

        Rows are shuffled between the samples. Partners of paired samples only swap places, so that each sample keeps
        one of them. Both leave the joint distribution of the rows unchanged under the null hypothesis. If there are
        fewer than `MIN_REGROUPINGS` distinct regroupings, the result is empty, (0, n + m).
        """
        n = self.sizes[0]
        if self.distinct_regroupings < MIN_REGROUPINGS:
            count = 0
        if self.paired:
            stays = rng.random((count, n)) < 0.5
            return np.concatenate([stays, ~stays], axis=1)
        return rng.permuted(np.broadcast_to(self.grouping, (count, len(self.rows))).copy(), axis=1)

    def means(self, values: np.ndarray, groupings: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means of `values` over comparable pairs: between the samples, within the first, within the second.

        Args:
            values: one value per pair of rows, (n + m, n + m).
            groupings: bool (b, n + m). Each sample needs two rows.

        Returns:
            Three arrays (b,), one mean per grouping.
        """
        first, counts = groupings.astype(np.float64), self.comparable.astype(np.float64)
        second = 1 - first

        def mean(one: np.ndarray, other: np.ndarray) -> np.ndarray:
            return ((one @ (values * counts)) * other).sum(1) / ((one @ counts) * other).sum(1)

        return mean(first, second), mean(first, first), mean(second, second)

    def too_small(self, least: int) -> str:
        """Why a measure that needs `least` rows of each sample cannot be computed; empty if it can."""
        if min(self.sizes) >= least:
            return ""
        return f"needs {least} rows of each sample, has {self.sizes[0]} and {self.sizes[1]}"

    def too_few_regroupings(self) -> str:
        """Why a p-value cannot be computed; empty if it can."""
        if self.distinct_regroupings >= MIN_REGROUPINGS:
            return ""
        return f"no p-value: {self.distinct_regroupings} distinct regroupings, {MIN_REGROUPINGS} needed"


def permutation_p(value: float, regrouped: np.ndarray) -> float:
    """Permutation p-value: share of regroupings, the true one included, with at least the true value. In (0, 1].

    (1 + b) / (1 + regroupings), Phipson and Smyth, "Permutation P-values Should Never Be Zero" (2010).

    Args:
        value: of the true grouping. regrouped: value of each regrouping, (regroupings,). Values that differ by less
            than 1e-10 are ties, so they should be of order 1.

    Returns:
        The p-value; NaN without any regrouping.
    """
    if not len(regrouped):
        return math.nan
    return float((1 + np.sum(regrouped >= value - 1e-10)) / (1 + len(regrouped)))
