"""Non-dominated ranks of laws, and their position along the front."""

from __future__ import annotations

import moocore
import numpy as np


def best_ranks(natural: np.ndarray, attack: np.ndarray, share: float, counts: np.ndarray | None = None) -> np.ndarray:
    """The laws in the best ranks of non-dominated sorting: the fewest ranks that hold at least `share` of all laws.

    Args:
        natural, attack: accuracies, (laws,). share: in [0, 1].
        counts: how often each law counts, int (laws,), such as in a bootstrap sample; by default once. A law with
            count 0 is never among the best.

    Returns:
        bool (laws,).
    """
    counts = np.ones(len(natural), dtype=int) if counts is None else counts
    present = counts > 0
    rank = moocore.pareto_rank(np.column_stack([natural, attack])[present], maximise=[True, False])
    held = np.cumsum(np.bincount(rank, weights=counts[present]))
    best = np.zeros(len(natural), dtype=bool)
    best[present] = rank <= np.searchsorted(held, share * counts.sum() - 1e-9)
    return best


def position_along(natural: np.ndarray, attack: np.ndarray) -> np.ndarray | None:
    """Position along the front, (laws,): 0 at the accurate end, 1 at the private end; None if it is a single point."""
    front = best_ranks(natural, attack, 0.0)
    lost, avoided = natural[front].max() - natural, attack[front].max() - attack
    if np.ptp(lost[front]) == 0 or np.ptp(avoided[front]) == 0:
        return None
    return (lost / np.ptp(lost[front]) + avoided / np.ptp(avoided[front])) / 2
