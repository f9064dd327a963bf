"""Compares search methods by cost: curves over repetitions, and the cost to reach a share of the best hypervolume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.seeds import derive_seed

STEPS = 240
"""Number of points of a curve."""


@dataclass(frozen=True)
class Curves:
    """True hypervolume of the laws that a search method recommends, against cost, for each repetition.

    Args:
        cost: (steps,), in whole trials. hypervolume: (repetitions, steps), as a share of the best possible one; 0
            before the first trial has ended.
    """

    cost: np.ndarray
    hypervolume: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        return self.hypervolume.mean(0)

    def band(self, level: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper quantile between which the share `level` of the repetitions lies, (steps,) each."""
        low, high = np.quantile(self.hypervolume, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return low, high


def curves(events: Sequence[pd.DataFrame], trial_seconds: float, best: float, most: float) -> Curves:
    """The curves of one method.

    Args:
        events: the `events` of each trace of the method. trial_seconds: duration of a whole trial. best: the best
            possible hypervolume. most: largest cost of the curve, in whole trials.
    """
    cost = np.linspace(0, most, STEPS + 1)[1:]
    rows = []
    for one in events:
        done = np.searchsorted(one.cost.to_numpy() / trial_seconds, cost, side="right")
        rows.append(np.concatenate([[0.0], one.hypervolume.to_numpy()])[done] / best)
    return Curves(cost, np.array(rows))


def cost_to(cost: np.ndarray, mean: np.ndarray, share: float) -> float:
    """Cost from which the mean curve stays at or above `share`, by linear interpolation; NaN if it never does."""
    below = np.flatnonzero(mean < share)
    if not len(below):
        return float(cost[0])
    last = below[-1]
    if last == len(cost) - 1:
        return float("nan")
    rise = (share - mean[last]) / (mean[last + 1] - mean[last])
    return float(cost[last] + rise * (cost[last + 1] - cost[last]))


def cost_ratio(ours: Curves, theirs: Curves, share: float, level: float = 0.95, resamples: int = 1000) -> Estimate:
    """Cost of `ours` over cost of `theirs` to reach `share` of the best, with a bootstrap interval over repetitions.

    Repetitions are paired: repetition k of both had the same seed. If a method does not reach the share, its whole
    cost is used instead. The ratio is then too low if this is `ours`, and too high if it is `theirs`. NaN if neither
    reaches it.
    """

    def ratio(chosen: np.ndarray) -> float:
        costs = [cost_to(c.cost, c.hypervolume[chosen].mean(0), share) for c in (ours, theirs)]
        if np.isnan(costs).all():
            return float("nan")
        spent = [float(c.cost[-1]) for c in (ours, theirs)]
        mine, other = (s if np.isnan(c) else c for c, s in zip(costs, spent, strict=True))
        return mine / other

    count = len(ours.hypervolume)
    rng = np.random.default_rng(derive_seed(0, "bootstrap"))
    drawn = [ratio(rng.integers(count, size=count)) for _ in range(resamples)]
    if np.isnan(drawn).all():
        return Estimate(ratio(np.arange(count)), float("nan"), float("nan"))
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(ratio(np.arange(count)), float(low), float(high))


def comparison(
    all_curves: Mapping[str, Curves], base: str, share: float, more: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """Compare search methods with the method `base`.

    Args:
        share: share of the best hypervolume to reach. more: further columns, by method.

    Returns:
        One row per method. `method`: its name. `cost`: cost to reach `share`, in whole trials (NaN: not reached).
        `ratio`, `ratio_low`, `ratio_high`: its cost over the cost of `base`, with interval. `base_reached`: False if
        `base` never reached the share, so that the true ratio is at most `ratio`. `final`, `final_low`, `final_high`:
        mean share of the best hypervolume, with a 95 % interval, at the total cost of the method that spent least. And
        the columns of `more`.
    """
    rows = []
    end = min(found.cost[-1] for found in all_curves.values())
    base_reached = not np.isnan(cost_to(all_curves[base].cost, all_curves[base].mean, share))
    for name, found in all_curves.items():
        final = found.hypervolume[:, np.searchsorted(found.cost, end * (1 - 1e-9))]
        error = 1.96 * final.std(ddof=1) / np.sqrt(len(final)) if len(final) > 1 else float("nan")
        ratio = cost_ratio(found, all_curves[base], share)
        rows.append(
            {
                "method": name,
                "cost": cost_to(found.cost, found.mean, share),
                "ratio": ratio.value,
                "ratio_low": ratio.low,
                "ratio_high": ratio.high,
                "base_reached": base_reached,
                "final": final.mean(),
                "final_low": final.mean() - error,
                "final_high": final.mean() + error,
                **more.get(name, {}),
            }
        )
    return pd.DataFrame(rows)
