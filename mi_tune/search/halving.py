"""Stopping trials early by two objectives at once: multi-objective asynchronous successive halving (MO-ASHA)."""

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
    """Indices of points from the best to the worst, int (n,): whole fronts, each spread out.

    Args:
        losses: (n, objectives), all to be small.
        order: of the points of one front. `net`: the one nearest to the corner where all are best, then always the one
            farthest from those before it. `hypervolume`: always the one that adds most to the hypervolume of those
            before it. Both see objectives that are scaled to [0, 1] over all points; of equals the earlier is first.

    Source:
        Schmucker et al., arXiv 2106.12639, section 3. Syne Tune 0.16 gives every point the index that stands in its
        place in the sorted order, where its place in that order is meant; `ranks` is the latter.
    """
    losses = np.asarray(losses, dtype=float)
    if len(losses) == 0:
        return np.empty(0, dtype=int)
    low = losses.min(0)
    # rounded: equals must stay equals whatever the unit, or ties are broken by its last bit
    scaled = ((losses - low) / np.maximum(losses.max(0) - low, 1e-12)).round(9)
    front_of = moocore.pareto_rank(scaled) if len(losses) > 1 else np.zeros(1, int)
    spread = _net if order == "net" else _by_hypervolume
    parts = []
    for front in np.unique(front_of):
        members = np.flatnonzero(front_of == front)
        parts.append(members[spread(scaled[members])])
    return np.concatenate(parts)


def ranks(losses: np.ndarray, order: Order = "net") -> np.ndarray:
    """The place of every point in `best_first`, int (n,): 0 for the best."""
    found = np.empty(len(losses), dtype=int)
    found[best_first(losses, order)] = np.arange(len(losses))
    return found


def _net(points: np.ndarray) -> np.ndarray:
    chosen = [int((points**2).sum(1).argmin())]
    distance = np.full(len(points), np.inf)
    while len(chosen) < len(points):
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(1))
        distance[chosen] = -1
        chosen.append(int(distance.argmax()))
    return np.array(chosen)


def _by_hypervolume(points: np.ndarray) -> np.ndarray:
    corner = np.full(points.shape[1], 1.1)  # beyond the worst, or points at the ends would add nothing
    chosen: list[int] = []
    left = list(range(len(points)))
    while left:
        volumes = [moocore.hypervolume(points[[*chosen, k]], ref=corner) for k in left]
        chosen.append(left.pop(int(np.argmax(volumes))))
    return np.array(chosen)


@dataclass(frozen=True)
class Ladder:
    """Where trials are compared.

    Args:
        grace: units of training that every trial gets. most: those of a whole training. reduction: of the trials at a
            rung, one in so many goes on; and each rung is so many times as high as the one before.
        brackets: ladders that trials take in turn; ladder k lacks the k lowest rungs.

    Raises:
        InputError: a number is out of range, or a ladder has no rung below the top.
    """

    grace: float
    most: float
    reduction: float = 3.0
    brackets: int = 1

    def __post_init__(self) -> None:
        if not self.grace > 0:
            raise InputError(f"grace period {self.grace:g} is not above 0; every trial needs some training")
        if not self.reduction > 1:
            raise InputError(f"reduction factor {self.reduction:g} is not above 1; 3 lets one trial in three go on")
        if self.brackets < 1:
            raise InputError(f"{self.brackets} brackets; there is at least one")
        if not self.rungs(0):
            raise InputError(
                f"a grace period of {self.grace:g} leaves no rung below {self.most:g}: nothing would ever be stopped; "
                "shorten it"
            )
        if not self.rungs(self.brackets - 1):
            raise InputError(
                f"{self.brackets} brackets leave the last one no rung: {self.grace:g} to {self.most:g} by steps of "
                f"{self.reduction:g} has {len(self.rungs(0))}; ask for at most so many"
            )

    def rungs(self, bracket: int) -> tuple[float, ...]:
        """Units of training at which a bracket compares, rising."""
        levels, level = [], self.grace
        while level < self.most * (1 - 1e-9):
            levels.append(level)
            level *= self.reduction
        return tuple(levels[bracket:])


class Rungs:
    """What trials had reached at every rung, and which of them may go on. The stopping variant: nothing is paused.

    A trial goes on if fewer than `reduction` trials have come to its rung, or if it is among the best n / reduction of
    the n that have, itself among them. An answer once given stands: a trial that comes again, from a checkpoint, is
    told the same.

    Args:
        reduction: one in so many goes on. order: see `best_first`.
        modes: `max` or `min` for each value.
        path: file that remembers all this from one run to the next; None forgets.

    Raises:
        InputError: unknown order or mode, or the file is that of other rungs.
    """

    def __init__(
        self, modes: Sequence[str], reduction: float = 3.0, order: Order = "net", path: Path | None = None
    ) -> None:
        if order not in ORDERS:
            raise InputError(f"unknown order '{order}'; choose from {', '.join(ORDERS)}")
        if unknown := set(modes) - {"max", "min"}:
            raise InputError(f"unknown mode '{sorted(unknown)[0]}'; an objective is to be 'max' or 'min'")
        self.signs = np.array([-1.0 if mode == "max" else 1.0 for mode in modes])
        self.reduction, self.order, self.path = reduction, order, path
        self._losses: dict[str, dict[int, list[float]]] = {}
        self._kept: dict[str, dict[int, bool]] = {}
        self._settings = {"modes": list(modes), "reduction": reduction, "order": order}
        if path is not None and path.exists():
            self._load(path)

    def record(self, trial: int, rung: Any, values: Sequence[float]) -> bool:
        """Note a trial's values at a rung; returns whether it may go on. A value that is not finite ends it."""
        rung = str(rung)
        losses, kept = self._losses.setdefault(rung, {}), self._kept.setdefault(rung, {})
        if trial not in kept:
            loss = self.signs * np.asarray(values, dtype=float)
            if np.isfinite(loss).all():
                losses[trial] = loss.tolist()
                kept[trial] = self._goes_on(losses)
            else:
                kept[trial] = False
            self._save()
        return kept[trial]

    def _goes_on(self, losses: Mapping[int, Sequence[float]]) -> bool:
        """Whether the last of the trials at a rung is good enough."""
        n = len(losses)
        return n < self.reduction or bool(
            ranks(np.array(list(losses.values())), self.order)[-1] < int(n / self.reduction)
        )

    def at(self, rung: Any) -> dict[int, tuple[float, ...]]:
        """Values of the trials that came to a rung, by trial."""
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
            raise InputError(f"{path}: cannot be read as the rungs of a study; remove it to compare anew") from error
        if known != self._settings:
            raise InputError(f"{path}: rungs of other settings ({known}); go on with those, or remove it")
        self._losses, self._kept = whole


class Halving:
    """MO-ASHA over a ladder, whoever runs the trials: say what a trial reports, be told whether it goes on.

    Args:
        ladder: where trials are compared. rungs: what they had reached there.
    """

    def __init__(self, ladder: Ladder, rungs: Rungs) -> None:
        self.ladder, self.rungs = ladder, rungs

    def report(self, trial: int, at: float, values: Callable[[], Sequence[float]]) -> bool:
        """Whether a trial goes on that has come to `at` units of training.

        The highest rung that it has passed counts; rungs that it jumped over are not held against it. `values` is
        asked only where a rung was passed.
        """
        bracket = trial % self.ladder.brackets
        passed = [level for level in self.ladder.rungs(bracket) if level <= at + 1e-9]
        # the top is no rung: whoever is there has finished
        if not passed or at >= self.ladder.most - 1e-9:
            return True
        return self.rungs.record(trial, f"{bracket}/{passed[-1]:g}", values())
