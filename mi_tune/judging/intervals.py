"""Confidence intervals of accuracies, with the class as the unit of resampling.

Images of one person are not independent: they are recognised or missed together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from mi_tune.runtime.seeds import derive_seed


class Estimate(NamedTuple):
    """A mean with the ends of its confidence interval."""

    value: float
    low: float
    high: float


def class_interval(per_class: np.ndarray, level: float = 0.95, resamples: int = 2000) -> Estimate:
    """Mean accuracy over classes with a class-level percentile bootstrap interval.

    Args:
        per_class: accuracy of each class in [0, 1], (classes,). With replicates, the mean over them.
        level: confidence level in (0, 1). resamples: number of bootstrap samples.

    At a mean of exactly 0 or 1 all classes agree, and the bootstrap interval would have no width. There the interval
    is at least as wide as the Clopper-Pearson interval with classes as Bernoulli trials.
    """
    mean, low, high = _bootstrap(np.asarray(per_class, dtype=float), level, resamples)
    n = len(per_class)
    edge = stats.binomtest(n, n).proportion_ci(level, "exact").low
    if mean == 1:
        low = min(low, edge)
    elif mean == 0:
        high = max(high, 1 - edge)
    return Estimate(mean, max(low, 0.0), min(high, 1.0))


def class_mean(per_class: np.ndarray, level: float = 0.95, resamples: int = 2000) -> Estimate:
    """Mean over classes of any measure, (classes,), with a class-level percentile bootstrap interval."""
    return _bootstrap(np.asarray(per_class, dtype=float), level, resamples)


def class_difference(ours: np.ndarray, theirs: np.ndarray, level: float = 0.95, resamples: int = 2000) -> Estimate:
    """Mean over classes of `ours` minus `theirs`, both (classes,), with a percentile bootstrap over paired classes."""
    return _bootstrap(np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float), level, resamples)


def _bootstrap(values: np.ndarray, level: float, resamples: int) -> Estimate:
    mean = float(values.mean())
    if np.ptp(values) == 0:
        return Estimate(mean, mean, mean)
    result = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=level,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(derive_seed(0, "bootstrap")),
    )
    return Estimate(mean, *(float(v) for v in result.confidence_interval))


def per_class_mean(correct: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Mean of `correct`, bool (n,), within each class, (classes,). Every class must occur in `labels`, int (n,)."""
    counts = np.bincount(labels, minlength=classes)
    return np.bincount(labels, weights=correct.astype(float), minlength=classes) / counts


def with_interval(estimate: Estimate) -> str:
    """Format an accuracy and its interval: `0.58 [0.47, 0.69]`."""
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def signed(estimate: Estimate) -> str:
    """Format a difference and its interval: `+0.08 [-0.01, +0.17]`."""
    return f"{estimate.value:+.2f} [{estimate.low:+.2f}, {estimate.high:+.2f}]"
