"""Joint draws of all accuracies of a confirmation, and the quantities computed from them.

Seeds and people are resampled once. Each draw gives the natural accuracy and the accuracy of every attack under every
judge, so that all of them are paired. Each quantity below is computed within each draw; its interval is taken last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from analysis.statistics.attainment import (
    LEVELS,
    AttainmentSurface,
    attainment_surfaces,
    front_probability,
    hypervolume_interval,
)
from analysis.statistics.confirmation import Confirmation
from analysis.statistics.leak import LeakIndex, leak_index
from analysis.statistics.resampling import RESAMPLES, Draws, percentile_estimate, resample
from mi_tune.judging.intervals import Estimate


@dataclass(frozen=True, eq=False)
class Drawn:
    """A quantity as its estimated value and its joint draws, (resamples,)."""

    value: float
    draws: np.ndarray

    @property
    def estimate(self) -> Estimate:
        """The value with its 95 % interval."""
        return percentile_estimate(self.value, self.draws)

    def __sub__(self, other: Drawn) -> Drawn:
        return Drawn(self.value - other.value, self.draws - other.draws)


class Strongest(NamedTuple):
    """The highest accuracy among several attacks: the maximum within each draw. `attack` has the highest estimate.

    The maximum of noisy draws lies above the maximum of their centres, and the more so the more attacks are equally
    strong. All draws are therefore lowered by the same amount, until their median is the median of the strongest
    attack's own draws. One bias is not corrected: the highest of many estimates is partly the highest by luck, so the
    value overstates what the attacks achieve.
    """

    attack: str
    drawn: Drawn


class RobustFront(NamedTuple):
    """The front of natural accuracy and the strongest attack's accuracy.

    names: the laws that were attacked. probability: of each law to be on the front, (laws,). hypervolume: measured
    from the study's hypervolume reference. surfaces: attainment surfaces of the draws.
    """

    names: tuple[str, ...]
    probability: np.ndarray
    hypervolume: Estimate
    surfaces: tuple[AttainmentSurface, ...]


class AtBudget(NamedTuple):
    """An attack at one budget of the ladder, on the seeds that all budgets share."""

    attack: str
    drawn: Drawn


class Ladder(NamedTuple):
    """The same attack on a law at rising budgets. seeds: number of seeds that all budgets share."""

    budgets: tuple[AtBudget, ...]
    seeds: int

    @property
    def rise(self) -> Drawn:
        """Attack accuracy at the largest budget minus that at the smallest."""
        return self.budgets[-1].drawn - self.budgets[0].drawn

    @property
    def flattened(self) -> bool:
        """Whether the largest budget is not significantly better than the smallest (95 % interval includes 0)."""
        return self.rise.estimate.low <= 0


@dataclass(frozen=True)
class Evidence:
    """Joint draws of all measured accuracies. Judges are given by name; None stands for the headline judge."""

    confirmation: Confirmation
    draws: Draws

    def _drawn(self, name: str) -> Drawn | None:
        if name not in self._columns:
            return None
        column = self._columns[name]
        return Drawn(float(self.draws.values[column]), self.draws.draws[:, column])

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.draws.names)}

    def _judge(self, judge: str | None) -> str:
        return judge or self.confirmation.headline.name

    def natural(self, point: str) -> Drawn:
        """Natural accuracy of a point on the test images."""
        found = self._drawn(_natural(point))
        assert found is not None  # every point has targets
        return found

    def attack(self, point: str, attack: str, judge: str | None = None) -> Drawn | None:
        """Accuracy of an attack or baseline on a point; None if it did not complete."""
        return self._drawn(_attack(point, attack, self._judge(judge)))

    def ceiling(self, judge: str | None = None) -> Drawn:
        """Accuracy of a judge on real images."""
        found = self._drawn(_ceiling(self._judge(judge)))
        assert found is not None
        return found

    def strongest(self, point: str, judge: str | None = None, attacks: Sequence[str] | None = None) -> Strongest | None:
        """The strongest attack on a point (among `attacks`, if given); None if no attack completed."""
        tried = [name for name in self.confirmation.attacks if attacks is None or name in attacks]
        found = [(name, drawn) for name in tried if (drawn := self.attack(point, name, judge)) is not None]
        if not found:
            return None
        name, best = max(found, key=lambda one: one[1].value)
        top = np.max([drawn.draws for _, drawn in found], axis=0)
        excess = np.median(top) - np.median(best.draws)
        return Strongest(name, Drawn(best.value, np.maximum(top - excess, 0.0)))

    def common_attacks(self, one: str, other: str) -> tuple[str, ...]:
        """The attacks that completed on both points, with at least two seeds each if the confirmation has two.

        The largest budget of the ladder runs with the first seed alone, which tells nothing about other trainings.
        """
        needed = min(2, self.confirmation.seeds)
        seeds_of = self.confirmation.seeds_of
        return tuple(
            attack
            for attack in self.confirmation.attacks
            if min(len(seeds_of(one, attack)), len(seeds_of(other, attack))) >= needed
        )

    def leak(self, law: str, judge: str | None = None, baseline: str = "best prior samples") -> LeakIndex:
        """Leak index of the strongest attack: 0 at the best prior samples for the same targets, 1 at real images."""
        judge = self._judge(judge)
        strongest, under = self.strongest(law, judge), self.attack(law, baseline, judge)
        if strongest is None or under is None:
            return LeakIndex(None, f"no attack or no {baseline}")
        ceiling = f"{judge} on real images"
        columns = {"strongest attack": strongest.drawn, baseline: under, ceiling: self.ceiling(judge)}
        joint = Draws(
            tuple(columns),
            np.array([drawn.value for drawn in columns.values()]),
            np.stack([drawn.draws for drawn in columns.values()], axis=1),
        )
        return leak_index(joint, "strongest attack", baseline, ceiling)

    def ladder(self, law: str, judge: str | None = None) -> Ladder | None:
        """The budget ladder of a law; None if fewer than two budgets share a seed."""
        attacks, seeds = _completed_ladder(self.confirmation, law)
        if not attacks:
            return None
        found = [(attack, self._drawn(_on_shared_seeds(law, attack, self._judge(judge)))) for attack in attacks]
        return Ladder(tuple(AtBudget(attack, drawn) for attack, drawn in found if drawn is not None), len(seeds))

    @cached_property
    def front(self) -> RobustFront | None:
        """The front of all laws, each under its strongest attack; None if no law was attacked."""
        laws = [(law.name, found) for law in self.confirmation.laws if (found := self.strongest(law.name))]
        if not laws:
            return None
        names = tuple(name for name, _ in laws)
        natural, natural_draws = _stacked([self.natural(name) for name in names])
        attack, attack_draws = _stacked([found.drawn for _, found in laws])
        reference = self.confirmation.config["hypervolume_reference"]
        corner = reference["natural_accuracy"], reference["attack_accuracy"]
        return RobustFront(
            names,
            front_probability(natural_draws, attack_draws),
            hypervolume_interval(
                shifted_to_reference(corner, natural, attack),
                shifted_to_reference(corner, natural_draws, attack_draws),
            ),
            attainment_surfaces(natural_draws, attack_draws, LEVELS),
        )


def _stacked(columns: Sequence[Drawn]) -> tuple[np.ndarray, np.ndarray]:
    """Values (points,) and draws (resamples, points)."""
    return np.array([drawn.value for drawn in columns]), np.stack([drawn.draws for drawn in columns], axis=1)


def shifted_to_reference(
    corner: tuple[float, float], natural: np.ndarray, attack: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies shifted so that their hypervolume from (0, 1) equals the unshifted hypervolume from `corner`."""
    return np.maximum(natural - corner[0], 0.0), np.minimum(attack - corner[1] + 1.0, 1.0)


def draw_evidence(confirmation: Confirmation, resamples: int = RESAMPLES) -> Evidence:
    """Joint draws of everything that a confirmation measured, from one resampling of its seeds and people.

    Args:
        resamples: number of draws. It is raised to 40 per point if necessary, because with fewer draws no corrected
            p-value could be significant.
    """
    series: dict[str, np.ndarray] = {}
    for point in confirmation.points:
        series[_natural(point.name)] = _with_trained_seeds(confirmation.natural_correct(point.name))
        ladder, shared = _completed_ladder(confirmation, point.name)
        for judge in confirmation.judges:
            for attack in (*confirmation.attacks, *confirmation.baselines):
                hits = confirmation.hits(point.name, attack, judge.name)
                if hits is None:
                    continue
                series[_attack(point.name, attack, judge.name)] = _with_trained_seeds(hits)
                if attack in ladder:
                    is_shared = np.isin(np.arange(confirmation.seeds), shared)[:, None, None]
                    shared_hits = _with_trained_seeds(np.where(is_shared, hits, np.nan))
                    series[_on_shared_seeds(point.name, attack, judge.name)] = shared_hits
    for judge in confirmation.judges:
        series[_ceiling(judge.name)] = confirmation.ceiling(judge.name)
    return Evidence(confirmation, resample(series, max(resamples, 40 * len(confirmation.points))))


def _with_trained_seeds(hits: np.ndarray) -> np.ndarray:
    """If only one seed has hits, the hits of that seed alone, so that the interval is over people only; else all."""
    left = np.flatnonzero(~np.isnan(hits).all((1, 2)))
    return hits[left] if len(left) == 1 else hits


def _completed_ladder(confirmation: Confirmation, point: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The completed attacks of the ladder on a point, and the seeds that all of them share; empty if fewer than two."""
    completed = {attack: set(confirmation.seeds_of(point, attack)) for attack in confirmation.config["ladder"]}
    completed = {attack: seeds for attack, seeds in completed.items() if seeds}
    shared = sorted(set.intersection(*completed.values())) if len(completed) > 1 else []
    return (tuple(completed), tuple(shared)) if shared else ((), ())


def _natural(point: str) -> str:
    return f"{point}: natural"


def _attack(point: str, attack: str, judge: str) -> str:
    return f"{point}: {attack}, judge {judge}"


def _on_shared_seeds(point: str, attack: str, judge: str) -> str:
    return f"{point}: {attack} on shared seeds, judge {judge}"


def _ceiling(judge: str) -> str:
    return f"real images, judge {judge}"
