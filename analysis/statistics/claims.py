"""Significance of many comparisons at once, corrected for their number (Holm 1979)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mi_tune.runtime.errors import InputError


@dataclass(frozen=True)
class Claim:
    """A named comparison: its own p-value, the p-value corrected for all comparisons, and whether it is significant."""

    name: str
    p_value: float
    corrected: float
    significant: bool


def p_value(differences: np.ndarray) -> float:
    """Two-sided bootstrap p-value of "no difference".

    It is twice the smaller share of draws at or beyond 0. The estimate itself counts as one more draw (Davison and
    Hinkley 1997, section 4.2), so that a finite number of draws never gives a p-value of 0. It is below 5 % where the
    95 % interval of the draws excludes 0.

    Args:
        differences: draws of a difference, (resamples,).

    Returns:
        The p-value, in [2 / (resamples + 1), 1].

    Raises:
        InputError: the draws are empty, not one-dimensional, or hold NaN.
    """
    draws = np.asarray(differences, dtype=float)
    if draws.ndim != 1 or len(draws) == 0 or np.isnan(draws).any():
        raise InputError(f"draws of a difference have shape {draws.shape} or hold NaN; give one finite row")
    beyond = min((draws <= 0).sum(), (draws >= 0).sum())
    return min(1.0, 2 * float(beyond + 1) / (len(draws) + 1))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values after Holm's step-down correction, in [0, 1] and in the order given.

    The k-th smallest of m p-values is multiplied by m - k + 1 and raised to at least the corrected value before it
    (Holm 1979). The chance of any false claim then stays below the level, however the comparisons depend on each other.
    """
    p = np.asarray(p_values, dtype=float)
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError(f"p-values {p.tolist()} are not all in [0, 1]")
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return corrected


def claims(comparisons: Mapping[str, float | np.ndarray], level: float = 0.05) -> list[Claim]:
    """Holm-corrected significance of all comparisons at `level`, in the order given.

    Args:
        comparisons: name -> two-sided p-value, or draws of the difference (resamples,).

    Raises:
        InputError: there are too few draws: even a difference seen in all of them could not be significant.
    """
    for name, given in comparisons.items():
        least = 2 / (np.size(given) + 1)
        if np.ndim(given) and least * len(comparisons) > level:
            raise InputError(
                f"{name!r} has {np.size(given)} draws, too few for {len(comparisons)} comparisons at {level:g}; "
                f"resample {int(np.ceil(2 * len(comparisons) / level))} times"
            )
    p_values = [
        p_value(given) if isinstance(given, np.ndarray) and given.ndim else float(given)
        for given in comparisons.values()
    ]
    corrected = holm(p_values)
    return [
        Claim(name, p, float(q), bool(q <= level)) for name, p, q in zip(comparisons, p_values, corrected, strict=True)
    ]
