"""Which laws are near the front, and where along it they lie."""

from __future__ import annotations

import moocore
import numpy as np


def best_ranks(natural: np.ndarray, attack: np.ndarray, share: float, counts: np.ndarray | None = None) -> np.ndarray:
    """Laws of the best ranks of non-dominated sorting that hold at least `share` of all, bool (laws,).

    `counts`, int (laws,), says how often each law is there; a law that is not there is not among the best.
    """
    counts = np.ones(len(natural), dtype=int) if counts is None else counts
    there = counts > 0
    rank = moocore.pareto_rank(np.column_stack([natural, attack])[there], maximise=[True, False])
    held = np.cumsum(np.bincount(rank, weights=counts[there]))
    best = np.zeros(len(natural), dtype=bool)
    best[there] = rank <= np.searchsorted(held, share * counts.sum() - 1e-9)
    return best


def position_along(natural: np.ndarray, attack: np.ndarray) -> np.ndarray | None:
    """Position along the front, (laws,): 0 at its accurate end, 1 at its private one; None where it has no length."""
    front = best_ranks(natural, attack, 0.0)
    lost, avoided = natural[front].max() - natural, attack[front].max() - attack
    if np.ptp(lost[front]) == 0 or np.ptp(avoided[front]) == 0:
        return None
    return (lost / np.ptp(lost[front]) + avoided / np.ptp(avoided[front])) / 2
