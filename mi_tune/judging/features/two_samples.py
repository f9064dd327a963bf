"""Two samples of features and the ways to regroup them: what the measures and their p-values are made of."""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from mi_tune.runtime.errors import InputError

LEAST_REGROUPINGS = 20
"""Below this many no p-value can reach 5 %, so none is given."""


class Measure(NamedTuple):
    """How far two samples are apart.

    value: NaN where the samples are too small for it. p_value: of the hypothesis that both are drawn from one
    distribution, in (0, 1]; NaN where it was not asked for, or cannot be had. expected: the value for samples from one
    distribution. reason: why something is missing; empty if nothing is.
    """

    value: float
    p_value: float
    expected: float
    reason: str = ""


class TwoSamples:
    """Rows of two samples with their distances.

    Args:
        first, second: (n, features) and (m, features).
        paired: row i of `second` was made from row i of `first`. Such twins are never compared with each other: they
            resemble each other whatever the distributions are. Without them the unbiased estimates stay unbiased.

    Raises:
        InputError: samples of different width, paired samples of different length, or values that are not finite.
    """

    def __init__(self, first: np.ndarray, second: np.ndarray, paired: bool = False) -> None:
        if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
            raise InputError(
                f"samples of shapes {first.shape} and {second.shape} cannot be compared; give (rows, features)"
            )
        if paired and len(first) != len(second):
            raise InputError(f"paired samples of {len(first)} and {len(second)} rows; give as many of each")
        self.rows = np.concatenate([first, second]).astype(np.float64)
        if not np.isfinite(self.rows).all():
            raise InputError("the features hold values that are not finite; did the model's training diverge?")
        self.sizes, self.paired = (len(first), len(second)), paired

    @cached_property
    def grouping(self) -> np.ndarray:
        """Which rows are of the first sample, bool (n + m,)."""
        return np.arange(len(self.rows)) < self.sizes[0]

    @cached_property
    def distances(self) -> np.ndarray:
        """Euclidean, (n + m, n + m)."""
        return cdist(self.rows, self.rows)

    @cached_property
    def comparable(self) -> np.ndarray:
        """Couples that count, bool (n + m, n + m): no row with itself, and no row with its twin."""
        counts = ~np.eye(len(self.rows), dtype=bool)
        if self.paired:
            one = np.arange(self.sizes[0])
            counts[one, one + self.sizes[0]] = counts[one + self.sizes[0], one] = False
        return counts

    @property
    def distinct_regroupings(self) -> int:
        """Ways to regroup that a measure can tell apart; swapping samples of equal size is none."""
        n, m = self.sizes
        if self.paired:
            return 2 ** max(n - 1, 0)
        return math.comb(n + m, n) // (2 if n == m else 1)

    def regroupings(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Random regroupings, bool (count, n + m) as `grouping`; (0, n + m) where there are too few distinct ones.

        Rows are shuffled between the samples; twins change places, so that each sample keeps one of them. Either leaves
        the rows' joint distribution as it is if both samples are from one distribution, whatever that is.
        """
        n = self.sizes[0]
        if self.distinct_regroupings < LEAST_REGROUPINGS:
            count = 0
        if self.paired:
            stays = rng.random((count, n)) < 0.5
            return np.concatenate([stays, ~stays], axis=1)
        return rng.permuted(np.broadcast_to(self.grouping, (count, len(self.rows))).copy(), axis=1)

    def means(self, values: np.ndarray, groupings: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean of `values` (n + m, n + m) over comparable couples between the samples, in the first, in the second.

        Each (b,), for groupings bool (b, n + m). The first and second need two rows.
        """
        first, counts = groupings.astype(np.float64), self.comparable.astype(np.float64)
        second = 1 - first

        def mean(one: np.ndarray, other: np.ndarray) -> np.ndarray:
            return ((one @ (values * counts)) * other).sum(1) / ((one @ counts) * other).sum(1)

        return mean(first, second), mean(first, first), mean(second, second)

    def too_small(self, least: int) -> str:
        """Why a measure that needs `least` rows of each sample cannot be had; empty if it can."""
        if min(self.sizes) >= least:
            return ""
        return f"needs {least} rows of each sample, has {self.sizes[0]} and {self.sizes[1]}"

    def too_few_regroupings(self) -> str:
        """Why a p-value cannot be had; empty if it can."""
        if self.distinct_regroupings >= LEAST_REGROUPINGS:
            return ""
        return f"no p-value: {self.distinct_regroupings} ways to regroup, {LEAST_REGROUPINGS} needed"


def permutation_p(value: float, regrouped: np.ndarray) -> float:
    """Share of regroupings, the true one among them, that are at least as far apart: in (0, 1], NaN without any.

    (1 + b) / (1 + regroupings), Phipson and Smyth, "Permutation P-values Should Never Be Zero" (2010). Values that
    differ by rounding alone are ties; values should be of order 1.
    """
    if not len(regrouped):
        return math.nan
    return float((1 + np.sum(regrouped >= value - 1e-10)) / (1 + len(regrouped)))
