"""Many comparisons at once: which differences hold, when each further one is a further chance to be wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mi_tune.runtime.errors import InputError


@dataclass(frozen=True)
class Claim:
    """A named comparison: its own p-value, the one corrected for all comparisons, and whether the two are apart."""

    name: str
    p_value: float
    corrected: float
    apart: bool


def p_value(differences: np.ndarray) -> float:
    """Two-sided p-value of "no difference" from draws of a difference (resamples,), in [2 / (resamples + 1), 1].

    Twice the smaller share of draws on or beyond 0, the estimate itself counted as one more draw (Davison and Hinkley
    1997, section 4.2), so that no finite number of draws proves anything beyond doubt. Below 5 % where the 95 %
    interval of the draws leaves out 0.
    """
    draws = np.asarray(differences, dtype=float)
    if draws.ndim != 1 or len(draws) == 0 or np.isnan(draws).any():
        raise InputError(f"draws of a difference have shape {draws.shape} or hold NaN; give one finite row")
    beyond = min((draws <= 0).sum(), (draws >= 0).sum())
    return min(1.0, 2 * float(beyond + 1) / (len(draws) + 1))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Corrected p-values in [0, 1], in the order given; the chance of any false claim stays below the level.

    The k-th smallest of m is multiplied by m - k + 1 and is never below those before it (Holm 1979). Nothing is
    assumed of how the comparisons depend on each other.
    """
    p = np.asarray(p_values, dtype=float)
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError(f"p-values {p.tolist()} are not all in [0, 1]")
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return corrected


def claims(comparisons: Mapping[str, float | np.ndarray], level: float = 0.05) -> list[Claim]:
    """What can be claimed at `level` of all the comparisons together, in the order given.

    Args:
        comparisons: name -> two-sided p-value, or draws of the difference (resamples,).

    Raises:
        InputError: so few draws that not even a difference seen in all of them could pass.
    """
    for name, given in comparisons.items():
        least = 2 / (np.size(given) + 1)
        if np.ndim(given) and least * len(comparisons) > level:
            raise InputError(
                f"{name!r} has {np.size(given)} draws, too few for {len(comparisons)} comparisons at {level:g}; "
                f"resample {int(np.ceil(2 * len(comparisons) / level))} times"
            )
    p_values = [p_value(given) if np.ndim(given) else float(given) for given in comparisons.values()]
    corrected = holm(p_values)
    return [
        Claim(name, p, float(q), bool(q <= level)) for name, p, q in zip(comparisons, p_values, corrected, strict=True)
    ]
