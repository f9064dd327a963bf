"""What a confirmation runs: which attacks on which points, under which seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mi_tune.attacks import BUDGETS, make_attack
from mi_tune.confirmation.baselines import BASELINES
from mi_tune.runtime.errors import InputError
from mi_tune.trial.audit.battery import Attempt, plan_attempts
from mi_tune.trial.point import Point

PORTFOLIO = ("ppa:full", "lomma:reduced", "taa:reduced", "eot_re:reduced", "clean_student:reduced", "brepmi:reduced")
"""The default attacks on every law: two published white-box attacks, averaging, two who know about erasing, and one
that sees labels alone."""
LADDER = ("ppa:reduced", "ppa:4x", "ppa:full")
"""The same attack with more to spend: has the defence only slowed it?"""
CONTROL_ATTACKS = ("ppa:4x", "taa:reduced")
"""What controls are attacked with; laws too, so that they compare."""
QUICK = ("ppa:4x", "taa:reduced", "eot_re:reduced")
FEATURE_ATTACKS = ("ppa:4x", "eot_re:reduced")
"""Whose reconstructions are looked for in feature space: an attacker's who knows of no erasing, and one's who does."""


@dataclass(frozen=True)
class Job:
    """One piece of work for one worker.

    kind: `judges`, `prior` (of an attack); `target`, `curve` (accuracy after every epoch), `attack`, `baseline` or
    `features` (of an attack's images). point: what is trained or attacked.
    number: of the fresh seed. attack: `name:budget`, or the name of a baseline.
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
        what = self.attack or {"target": "training", "curve": "training, every epoch looked at"}[self.kind]
        if self.kind == "features":
            what += " in feature space"
        return f"{self.point.name}, seed {self.number + 1}: {what}"


@dataclass(frozen=True)
class Plan:
    """Attacks by `name:budget`, in the order in which they are reported.

    Args:
        seeds: targets of every point. portfolio: on every law. ladder: on every law, its smallest budget first.
            controls: on everything.
    """

    seeds: int
    portfolio: tuple[str, ...] = PORTFOLIO
    ladder: tuple[str, ...] = LADDER
    controls: tuple[str, ...] = CONTROL_ATTACKS

    def attacks_on(self, point: Point) -> list[str]:
        """What every target of a point meets."""
        if point.is_control:
            return list(self.controls)
        return list(dict.fromkeys((*self.controls, *self.portfolio, *self.ladder)))

    def seen_in_features(self, point: Point) -> list[str]:
        """The attacks on a point that are looked for in feature space."""
        met = [] if point.is_control else self.attacks_on(point)
        return [attack for attack in FEATURE_ATTACKS if attack in met]

    def every_attack(self) -> list[str]:
        return list(dict.fromkeys((*self.portfolio, *self.controls, *self.ladder)))

    def preparing(self, undefended: Point, prior: str) -> list[Job]:
        """Judges, and the priors of all attacks where the setup's is `prior`: made once, into the user's cache."""
        owners = {attempt_of(attack, prior).prior: attack for attack in self.every_attack()}
        made = [Job("prior", undefended, 0, attack) for attack in owners.values()]
        return [*made, Job("judges", undefended, 0)]

    def training(self, points: Sequence[Point], undefended: Point) -> list[Job]:
        """Targets of all points, and the undefended training epoch by epoch."""
        jobs = [Job("curve", undefended, number) for number in range(self.seeds)]
        return jobs + [Job("target", point, number) for number in range(self.seeds) for point in points]

    def attacking(self, points: Sequence[Point]) -> list[Job]:
        """The long attacks first: a worker that begins one last would keep the others waiting."""
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
        """Where reconstructions lie in feature space."""
        return [
            Job("features", point, number, attack)
            for number in range(self.seeds)
            for point in points
            for attack in self.seen_in_features(point)
        ]


def attempt_of(attack: str, prior: str) -> Attempt:
    """The attack called `name` or `name:budget` (else reduced) on a prior. Raises InputError for an unknown name."""
    name, _, budget = attack.partition(":")
    (attempt,) = plan_attempts(name, budget or "reduced", prior)
    return attempt


def check_attacks(attacks: Sequence[str]) -> tuple[str, ...]:
    """The attacks with their budgets written out. Raises InputError for an unknown name or budget."""
    written = []
    for attack in attacks:
        name, _, budget = attack.partition(":")
        if budget and budget not in BUDGETS:
            raise InputError(f"attack '{attack}': unknown budget '{budget}'; choose from {', '.join(BUDGETS)}")
        make_attack(name, budget or "reduced")
        written.append(f"{name}:{budget or 'reduced'}")
    return tuple(dict.fromkeys(written))


def _cost(attack: str) -> int:
    passes = attempt_of(attack, "eigenface").attack.passes(30, 2000, 100)
    return passes.forward + passes.backward
