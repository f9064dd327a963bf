"""Early stopping by two objectives: multi-objective asynchronous successive halving (MO-ASHA)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import moocore
import numpy as np

from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.errors import InputError

Order = Literal["net", "hypervolume"]
ORDERS: tuple[Order, ...] = ("net", "hypervolume")


def best_first(losses: np.ndarray, order: Order = "net") -> np.ndarray:
    """Sort points by non-dominated sorting, and within each front by `order`.

    Args:
        losses: (n, objectives), all to be minimised.
        order: within a front. `net` (epsilon-net): first the point nearest to the ideal corner, then always the one
            farthest from those before it. `hypervolume`: always the point that adds most hypervolume to those before
            it. Both scale the objectives to [0, 1] over all points; of equal points the earlier comes first.

    Returns:
        Indices from the best point to the worst, int (n,).

    Source:
        Schmucker et al., arXiv 2106.12639, section 3. Syne Tune 0.16 uses these sorting indices as if they were the
        ranks of the points; `ranks` returns the ranks.
    """
    losses = np.asarray(losses, dtype=float)
    if len(losses) == 0:
        return np.empty(0, dtype=int)
    low = losses.min(0)
    # rounded, because equal values must stay equal whatever the unit, or rounding errors break ties
    scaled = ((losses - low) / np.maximum(losses.max(0) - low, 1e-12)).round(9)
    front_of = moocore.pareto_rank(scaled) if len(losses) > 1 else np.zeros(1, int)
    sort_front = _by_epsilon_net if order == "net" else _by_hypervolume
    parts = []
    for front in np.unique(front_of):
        members = np.flatnonzero(front_of == front)
        parts.append(members[sort_front(scaled[members])])
    return np.concatenate(parts)


def ranks(losses: np.ndarray, order: Order = "net") -> np.ndarray:
    """The rank of every point in the order of `best_first`, int (n,): 0 for the best."""
    found = np.empty(len(losses), dtype=int)
    found[best_first(losses, order)] = np.arange(len(losses))
    return found


def _by_epsilon_net(points: np.ndarray) -> np.ndarray:
    chosen = [int((points**2).sum(1).argmin())]
    distance = np.full(len(points), np.inf)
    while len(chosen) < len(points):
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(1))
        distance[chosen] = -1
        chosen.append(int(distance.argmax()))
    return np.array(chosen)


def _by_hypervolume(points: np.ndarray) -> np.ndarray:
    corner = np.full(points.shape[1], 1.1)  # worse than the worst point, or the extreme points would add nothing
    chosen: list[int] = []
    left = list(range(len(points)))
    while left:
        volumes = [moocore.hypervolume(points[[*chosen, k]], ref=corner) for k in left]
        chosen.append(left.pop(int(np.argmax(volumes))))
    return np.array(chosen)


@dataclass(frozen=True)
class RungSchedule:
    """The amounts of training at which trials are compared, as in Hyperband.

    Args:
        grace: units of training, such as epochs, that every trial gets. total: units of a whole training.
        reduction: one in `reduction` trials at a rung continues, and each rung is at `reduction` times the units of
            the one before.
        brackets: number of brackets that trials are assigned to in turn; bracket k lacks the k lowest rungs.

    Raises:
        InputError: a number is out of range, or a bracket has no rung below `total`.
    """

    grace: float
    total: float
    reduction: float = 3.0
    brackets: int = 1

    def __post_init__(self) -> None:
        if not self.grace > 0:
            raise InputError(f"grace period {self.grace:g} is not above 0; every trial needs some training")
        if not self.reduction > 1:
            raise InputError(f"reduction factor {self.reduction:g} is not above 1; 3 lets one trial in three continue")
        if self.brackets < 1:
            raise InputError(f"{self.brackets} brackets; there is at least one")
        if not self.rungs(0):
            raise InputError(
                f"a grace period of {self.grace:g} leaves no rung below {self.total:g}: nothing would ever be stopped; "
                "shorten it"
            )
        if not self.rungs(self.brackets - 1):
            raise InputError(
                f"{self.brackets} brackets leave the last one no rung: {self.grace:g} to {self.total:g} by steps of "
                f"{self.reduction:g} has {len(self.rungs(0))}; ask for at most so many"
            )

    def rungs(self, bracket: int) -> tuple[float, ...]:
        """Units of training of each rung of a bracket, rising."""
        levels, level = [], self.grace
        while level < self.total * (1 - 1e-9):
            levels.append(level)
            level *= self.reduction
        return tuple(levels[bracket:])


class RungResults:
    """The values of trials at every rung, and the decisions which of them continue: the stopping variant of ASHA.

    A trial continues if fewer than `reduction` trials have reached its rung, or if it is among the best n / reduction
    of the n that have, itself included. A decision is final: a trial that is restored from a checkpoint and reports the
    same rung again gets the same answer. No trial is paused.

    Args:
        modes: `max` or `min` for each value.
        reduction: one in `reduction` trials continues. order: see `best_first`.
        path: file that keeps all this between runs; None keeps it in memory.

    Raises:
        InputError: unknown order or mode, or the file was written with other settings.
    """

    def __init__(
        self, modes: Sequence[str], reduction: float = 3.0, order: Order = "net", path: Path | None = None
    ) -> None:
        if order not in ORDERS:
            raise InputError(f"unknown order '{order}'; choose from {', '.join(ORDERS)}")
        if unknown := set(modes) - {"max", "min"}:
            raise InputError(f"unknown mode '{sorted(unknown)[0]}'; an objective is 'max' or 'min'")
        self.signs = np.array([-1.0 if mode == "max" else 1.0 for mode in modes])
        self.reduction, self.order, self.path = reduction, order, path
        self._losses: dict[str, dict[int, list[float]]] = {}
        self._kept: dict[str, dict[int, bool]] = {}
        self._settings = {"modes": list(modes), "reduction": reduction, "order": order}
        if path is not None and path.exists():
            self._load(path)

    def record(self, trial: int, rung: Any, values: Sequence[float]) -> bool:
        """Record a trial's values at a rung; returns whether it continues. A value that is not finite stops it."""
        rung = str(rung)
        losses, kept = self._losses.setdefault(rung, {}), self._kept.setdefault(rung, {})
        if trial not in kept:
            loss = self.signs * np.asarray(values, dtype=float)
            if np.isfinite(loss).all():
                losses[trial] = loss.tolist()
                kept[trial] = self._continues(losses)
            else:
                kept[trial] = False
            self._save()
        return kept[trial]

    def _continues(self, losses: Mapping[int, Sequence[float]]) -> bool:
        """Whether the last trial of `losses`, those at one rung, is good enough."""
        n = len(losses)
        return n < self.reduction or bool(
            ranks(np.array(list(losses.values())), self.order)[-1] < int(n / self.reduction)
        )

    def at(self, rung: Any) -> dict[int, tuple[float, ...]]:
        """Values of the trials that have reached a rung, by trial number."""
        return {trial: tuple(self.signs * loss) for trial, loss in self._losses.get(str(rung), {}).items()}

    def _save(self) -> None:
        if self.path is None:
            return
        state = {"settings": self._settings, "losses": self._losses, "kept": self._kept}
        save_atomically(self.path, lambda path: path.write_text(json.dumps(state)))

    def _load(self, path: Path) -> None:
        try:
            state = json.loads(path.read_text())
            known = state["settings"]
            whole = [{r: {int(t): v for t, v in at.items()} for r, at in state[k].items()} for k in ("losses", "kept")]
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise InputError(
                f"{path}: cannot be read as the rungs of a study; remove it to start the comparison anew"
            ) from error
        if known != self._settings:
            raise InputError(f"{path}: rungs of other settings ({known}); continue with those, or remove it")
        self._losses, self._kept = whole


class Halving:
    """MO-ASHA, independent of what runs the trials: `report` takes a trial's progress and says whether it continues.

    Args:
        schedule: the rungs of every bracket. results: what trials have reached there.
    """

    def __init__(self, schedule: RungSchedule, results: RungResults) -> None:
        self.schedule, self.results = schedule, results

    def report(self, trial: int, at: float, values: Callable[[], Sequence[float]]) -> bool:
        """Whether a trial continues after `at` units of training.

        It is compared at the highest rung that it has passed, and not at rungs that it skipped. `values` is called only
        if a rung was passed.
        """
        bracket = trial % self.schedule.brackets
        passed = [level for level in self.schedule.rungs(bracket) if level <= at + 1e-9]
        # the end of training is no rung: a trial there has finished
        if not passed or at >= self.schedule.total - 1e-9:
            return True
        return self.results.record(trial, f"{bracket}/{passed[-1]:g}", values())
