"""Intervals of accuracies. The class is the unit: images of one person rise and fall together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from mi_tune.runtime.seeds import derive_seed


class Estimate(NamedTuple):
    """A mean with the ends of its interval."""

    value: float
    low: float
    high: float


def class_interval(per_class: np.ndarray, level: float = 0.95, resamples: int = 2000) -> Estimate:
    """Mean over classes with a class-level bootstrap interval (percentile).

    Args:
        per_class: accuracy of each class in [0, 1], (classes,); with replicates, each class's mean over them.

    Where all classes agree the bootstrap would claim certainty. The ends are therefore never closer than those
    of the Clopper-Pearson interval at an accuracy of exactly 0 or 1, with classes as trials.
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
    """Mean over classes of any measure, (classes,), with a class-level bootstrap interval (percentile)."""
    return _bootstrap(np.asarray(per_class, dtype=float), level, resamples)


def class_difference(ours: np.ndarray, theirs: np.ndarray, level: float = 0.95, resamples: int = 2000) -> Estimate:
    """Mean over classes of `ours` minus `theirs`, both (classes,), with a bootstrap interval of the paired classes."""
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
    """Mean of `correct` (n,) within each class (classes,). Every class needs an image."""
    counts = np.bincount(labels, minlength=classes)
    return np.bincount(labels, weights=correct.astype(float), minlength=classes) / counts


def with_interval(estimate: Estimate) -> str:
    """An accuracy and its interval: `0.58 [0.47, 0.69]`."""
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def signed(estimate: Estimate) -> str:
    """A difference and its interval: `+0.08 [-0.01, +0.17]`."""
    return f"{estimate.value:+.2f} [{estimate.low:+.2f}, {estimate.high:+.2f}]"
