"""What a confirmation shows: accuracies of all points, drawn jointly, and what follows from them.

One resampling of seeds and people gives natural accuracy and every attack's accuracy under every judge, so that all
are paired: each quantity below is computed within each draw, and only then summed up as an interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from analysis.statistics.attainment import (
    LEVELS,
    Surface,
    attainment_surfaces,
    front_probability,
    hypervolume_interval,
)
from analysis.statistics.confirmation import Confirmation
from analysis.statistics.leak import LeakIndex, leak_index
from analysis.statistics.resampling import Draws, between, resample
from mi_tune.judging.intervals import Estimate

RESAMPLES = 4000


@dataclass(frozen=True, eq=False)
class Drawn:
    """A quantity: its value, and what it might as well have been, (resamples,)."""

    value: float
    draws: np.ndarray

    @property
    def estimate(self) -> Estimate:
        """The value with its 95 % interval."""
        return between(self.value, self.draws)

    def __sub__(self, other: Drawn) -> Drawn:
        return Drawn(self.value - other.value, self.draws - other.draws)


class Strongest(NamedTuple):
    """The most that any of some attacks found, the maximum within each draw; `attack` is the one by value.

    The maximum of noisy draws lies higher than that of their centres, and the more so the more attacks are level.
    Draws are therefore moved back, all by the same, until their median is that of the strongest attack's own. What is
    left, that one of many estimates is the highest by luck, overstates what attacks find and is not taken away.
    """

    attack: str
    drawn: Drawn


class RobustFront(NamedTuple):
    """Laws by natural accuracy and the strongest attack's accuracy.

    names: of the laws that were attacked. probability: that no other law dominates it, (laws,). hypervolume: as seen
    from the study's reference point. surfaces: borders of what is attained in a share of the draws.
    """

    names: tuple[str, ...]
    probability: np.ndarray
    hypervolume: Estimate
    surfaces: tuple[Surface, ...]


class Rung(NamedTuple):
    """One budget of the ladder on the seeds that all rungs have."""

    attack: str
    drawn: Drawn


class Ladder(NamedTuple):
    """The same attack with more to spend, on a law. seeds: how many seeds all of its rungs share."""

    rungs: tuple[Rung, ...]
    seeds: int

    @property
    def rise(self) -> Drawn:
        """The last rung minus the first."""
        return self.rungs[-1].drawn - self.rungs[0].drawn

    @property
    def flattened(self) -> bool:
        """Whether the last rung is not above the first beyond doubt."""
        return self.rise.estimate.low <= 0


@dataclass(frozen=True)
class Evidence:
    """Joint draws of everything that was measured. Judges are given by name; None stands for the headline judge."""

    confirmation: Confirmation
    draws: Draws

    def _at(self, name: str) -> Drawn | None:
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
        """Accuracy on the test images."""
        found = self._at(_natural(point))
        assert found is not None  # every point has targets
        return found

    def attack(self, point: str, attack: str, judge: str | None = None) -> Drawn | None:
        """Accuracy of an attack or baseline; None where it found nothing."""
        return self._at(_attack(point, attack, self._judge(judge)))

    def ceiling(self, judge: str | None = None) -> Drawn:
        """What a judge makes of real images."""
        found = self._at(_ceiling(self._judge(judge)))
        assert found is not None
        return found

    def strongest(self, point: str, judge: str | None = None, attacks: Sequence[str] | None = None) -> Strongest | None:
        """The most that any attack (of `attacks`, if given) finds of a point; None where none found anything."""
        tried = [name for name in self.confirmation.attacks if attacks is None or name in attacks]
        found = [(name, drawn) for name in tried if (drawn := self.attack(point, name, judge)) is not None]
        if not found:
            return None
        name, best = max(found, key=lambda one: one[1].value)
        top = np.max([drawn.draws for _, drawn in found], axis=0)
        excess = np.median(top) - np.median(best.draws)
        return Strongest(name, Drawn(best.value, np.maximum(top - excess, 0.0)))

    def common_attacks(self, one: str, other: str) -> tuple[str, ...]:
        """The attacks that two points both met, under at least two seeds each if the confirmation has as many.

        The last rung of the ladder runs under the first seed alone, which says nothing of other trainings.
        """
        least = min(2, self.confirmation.seeds)
        met = self.confirmation.seeds_of
        return tuple(
            attack
            for attack in self.confirmation.attacks
            if min(len(met(one, attack)), len(met(other, attack))) >= least
        )

    def leak(self, law: str, judge: str | None = None, baseline: str = "best prior samples") -> LeakIndex:
        """Where the strongest attack lies between the best prior samples of the same targets and real images."""
        judge = self._judge(judge)
        strongest, under = self.strongest(law, judge), self.attack(law, baseline, judge)
        if strongest is None or under is None:
            return LeakIndex(None, f"no attack, or no {baseline}")
        columns = {"strongest attack": strongest.drawn, baseline: under, f"{judge} on real images": self.ceiling(judge)}
        joint = Draws(
            tuple(columns),
            np.array([drawn.value for drawn in columns.values()]),
            np.stack([drawn.draws for drawn in columns.values()], axis=1),
        )
        return leak_index(joint, *columns)

    def ladder(self, law: str, judge: str | None = None) -> Ladder | None:
        """The budget ladder of a law; None where fewer than two rungs share a seed."""
        rungs, seeds = _rungs(self.confirmation, law)
        if not rungs:
            return None
        found = [(attack, self._at(_rung(law, attack, self._judge(judge)))) for attack in rungs]
        return Ladder(tuple(Rung(attack, drawn) for attack, drawn in found if drawn is not None), len(seeds))

    @cached_property
    def front(self) -> RobustFront | None:
        """The front of the laws under the strongest attack of each; None where no law was attacked."""
        laws = [(law.name, found) for law in self.confirmation.laws if (found := self.strongest(law.name))]
        if not laws:
            return None
        names = tuple(name for name, _ in laws)
        natural, attack = [self.natural(name) for name in names], [found.drawn for _, found in laws]
        values = tuple(np.array([drawn.value for drawn in side]) for side in (natural, attack))
        draws = tuple(np.stack([drawn.draws for drawn in side], axis=1) for side in (natural, attack))
        reference = self.confirmation.config["hypervolume_reference"]
        corner = reference["natural_accuracy"], reference["attack_accuracy"]
        return RobustFront(
            names,
            front_probability(*draws),
            hypervolume_interval(seen_from(corner, *values), seen_from(corner, *draws)),
            attainment_surfaces(*draws, LEVELS),
        )


def seen_from(corner: tuple[float, float], natural: np.ndarray, attack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies moved so that the area that they dominate, seen from (0, 1), is that seen from this corner."""
    return np.maximum(natural - corner[0], 0.0), np.minimum(attack - corner[1] + 1.0, 1.0)


def weigh(confirmation: Confirmation, resamples: int = RESAMPLES) -> Evidence:
    """Draw everything that a confirmation measured from one resampling of its seeds and people.

    resamples: at least 40 a point are drawn, or corrected p-values could not pass.
    """
    series: dict[str, np.ndarray] = {}
    for point in confirmation.points:
        series[_natural(point.name)] = _trained(confirmation.natural_correct(point.name))
        rungs, shared = _rungs(confirmation, point.name)
        for judge in confirmation.judges:
            for attack in (*confirmation.attacks, *confirmation.baselines):
                hits = confirmation.hits(point.name, attack, judge.name)
                if hits is None:
                    continue
                series[_attack(point.name, attack, judge.name)] = _trained(hits)
                if attack in rungs:
                    there = np.isin(np.arange(confirmation.seeds), shared)[:, None, None]
                    series[_rung(point.name, attack, judge.name)] = _trained(np.where(there, hits, np.nan))
    for judge in confirmation.judges:
        series[_ceiling(judge.name)] = confirmation.ceiling(judge.name)
    return Evidence(confirmation, resample(series, max(resamples, 40 * len(confirmation.points))))


def _trained(hits: np.ndarray) -> np.ndarray:
    """The hits with their seeds; of a single seed that is left, that one alone, whose interval is over people only."""
    left = np.flatnonzero(~np.isnan(hits).all((1, 2)))
    return hits[left] if len(left) == 1 else hits


def _rungs(confirmation: Confirmation, point: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The rungs of the ladder that came to an end on a point, and the seeds that all of them have; none if below 2."""
    met = {attack: set(confirmation.seeds_of(point, attack)) for attack in confirmation.config["ladder"]}
    met = {attack: seeds for attack, seeds in met.items() if seeds}
    shared = sorted(set.intersection(*met.values())) if len(met) > 1 else []
    return (tuple(met), tuple(shared)) if shared else ((), ())


def _natural(point: str) -> str:
    return f"{point}: natural"


def _attack(point: str, attack: str, judge: str) -> str:
    return f"{point}: {attack}, judge {judge}"


def _rung(point: str, attack: str, judge: str) -> str:
    return f"{point}: {attack} as a rung, judge {judge}"


def _ceiling(judge: str) -> str:
    return f"real images, judge {judge}"
