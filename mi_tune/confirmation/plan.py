"""The plan of a confirmation: which attacks run on which points, with which seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mi_tune.attacks import make_attack, split_budget
from mi_tune.confirmation.baselines import BASELINES
from mi_tune.trial.attempts import Attempt, checked_name, plan_attempts
from mi_tune.trial.point import Point

PORTFOLIO = (
    *("map_logit:full", "ppa:full", "lomma:reduced", "taa:reduced", "eot_re:reduced", "clean_student:reduced"),
    "brepmi:reduced",
)
"""Default attacks on every law: the likeliest image under the prior, two published white-box attacks, one that averages
over views, two that know the erasing law, and one hard-label attack."""
BUDGET_LADDER = ("map_logit:reduced", "map_logit:4x", "map_logit:full")
"""The same attack at rising budgets, to see whether the defence only slows it."""
CONTROL_ATTACKS = ("map_logit:4x", "taa:reduced")
"""Attacks on controls. Laws get them too, so that both can be compared."""
QUICK_PORTFOLIO = ("map_logit:4x", "taa:reduced", "eot_re:reduced")
FEATURE_ATTACKS = ("map_logit:4x", "eot_re:reduced")
"""Attacks whose reconstructions are compared in feature space: one that ignores erasing, one that knows the law."""


@dataclass(frozen=True)
class Job:
    """One piece of work for one worker.

    Args:
        kind: `judges`, `prior` (of an attack), `target`, `curve` (accuracy after every epoch), `attack`, `baseline` or
            `features` (of an attack's reconstructions).
        point: what is trained or attacked.
        number: of the fresh seed.
        attack: `name:budget`, or the name of a baseline.
    """

    kind: str
    point: Point
    number: int
    attack: str = ""

    @property
    def title(self) -> str:
        if self.kind == "judges":
            return "judges"
        if self.kind == "prior":
            return f"prior of {self.attack}"
        what = self.attack or {"target": "training", "curve": "training, measured after every epoch"}[self.kind]
        if self.kind == "features":
            what += " in feature space"
        return f"{self.point.name}, seed {self.number + 1}: {what}"


@dataclass(frozen=True)
class Plan:
    """Attacks and seeds of a confirmation. Attacks are given as `name:budget`, in the order of the report.

    Args:
        seeds: fresh targets per point.
        portfolio: attacks on every law.
        ladder: budget ladder on every law, the smallest budget first.
        controls: attacks on laws and on controls.
    """

    seeds: int
    portfolio: tuple[str, ...] = PORTFOLIO
    ladder: tuple[str, ...] = BUDGET_LADDER
    controls: tuple[str, ...] = CONTROL_ATTACKS

    def attacks_on(self, point: Point) -> list[str]:
        """The attacks on every target of a point."""
        if point.is_control:
            return list(self.controls)
        return list(dict.fromkeys((*self.controls, *self.portfolio, *self.ladder)))

    def seen_in_features(self, point: Point) -> list[str]:
        """The attacks on a point whose reconstructions are compared in feature space."""
        attacks = [] if point.is_control else self.attacks_on(point)
        return [attack for attack in FEATURE_ATTACKS if attack in attacks]

    def every_attack(self) -> list[str]:
        return list(dict.fromkeys((*self.portfolio, *self.controls, *self.ladder)))

    def preparing(self, undefended: Point, prior: str) -> list[Job]:
        """Jobs that make the judges and the attacks' priors, once, in the user's cache. `prior`: the set-up's kind."""
        owners = {attempt_of(attack, prior).prior: attack for attack in self.every_attack()}
        made = [Job("prior", undefended, 0, attack) for attack in owners.values()]
        return [*made, Job("judges", undefended, 0)]

    def training(self, points: Sequence[Point], undefended: Point) -> list[Job]:
        """Jobs that train the targets of all points, and measure the undefended training after every epoch."""
        jobs = [Job("curve", undefended, number) for number in range(self.seeds)]
        return jobs + [Job("target", point, number) for number in range(self.seeds) for point in points]

    def attacking(self, points: Sequence[Point]) -> list[Job]:
        """Jobs that attack the points, the longest attacks first, so that no worker starts a long one at the end."""
        jobs = [
            Job("attack", point, number, attack)
            for number in range(self.seeds)
            for point in points
            for attack in self.attacks_on(point)
        ]
        cost = {attack: _cost(attack) for attack in self.every_attack()}
        jobs.sort(key=lambda job: -cost[job.attack])
        bases = [
            Job("baseline", point, number, name)
            for number in range(self.seeds)
            for point in points
            for name in BASELINES
        ]
        return jobs + bases

    def comparing(self, points: Sequence[Point]) -> list[Job]:
        """Jobs that compare reconstructions in feature space."""
        return [
            Job("features", point, number, attack)
            for number in range(self.seeds)
            for point in points
            for attack in self.seen_in_features(point)
        ]


def attempt_of(attack: str, prior: str) -> Attempt:
    """The attack `name:budget`, or `name` at the reduced budget, with a prior. Raises InputError if unknown."""
    (attempt,) = plan_attempts(*split_budget(attack), prior)
    return attempt


def check_attacks(attacks: Sequence[str]) -> tuple[str, ...]:
    """The attacks as `name:budget`, without duplicates. Raises InputError for an unknown name or budget."""
    written = []
    for attack in attacks:
        name, budget = split_budget(attack)
        name = checked_name(name)
        make_attack(name, budget)
        written.append(f"{name}:{budget}")
    return tuple(dict.fromkeys(written))


def _cost(attack: str) -> int:
    passes = attempt_of(attack, "eigenface").attack.passes(30, 2000, 100)
    return passes.forward + passes.backward
