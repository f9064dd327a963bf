"""The plan of a confirmation: which attacks run on which points, with which seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mi_tune.confirmation.baselines import BASELINES
from mi_tune.confirmation.jobs import AttackJob, BaselineJob, CurveJob, FeaturesJob, Job, JudgesJob, PriorJob, TargetJob
from mi_tune.trial.attempts import attempt_of
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
class Plan:
    """Attacks and seeds of a confirmation. Attacks are given as `name:budget`, in the order of the report.

    Args:
        seeds: fresh targets per point.
        portfolio: attacks on every law.
        ladder: budget ladder on every law, the smallest budget first.
        controls: attacks on laws and on controls.
        features: whether reconstructions are compared in feature space, which takes longer than most attacks.
    """

    seeds: int
    portfolio: tuple[str, ...] = PORTFOLIO
    ladder: tuple[str, ...] = BUDGET_LADDER
    controls: tuple[str, ...] = CONTROL_ATTACKS
    features: bool = True

    def knowing(self, points: Sequence[Point]) -> Plan:
        """The plan with all attacks in its portfolio that are known or likely to undo a defence of the points."""
        known = [attack for point in points for one in point.treatment.defences for attack in one.undone_by]
        return replace(self, portfolio=tuple(dict.fromkeys((*self.portfolio, *known))))

    def attacks_on(self, point: Point) -> list[str]:
        """The attacks on every target of a point."""
        if point.is_control:
            return list(self.controls)
        return list(dict.fromkeys((*self.controls, *self.portfolio, *self.ladder)))

    def seen_in_features(self, point: Point) -> list[str]:
        """The attacks on a point whose reconstructions are compared in feature space."""
        attacks = [] if point.is_control or not self.features else self.attacks_on(point)
        return [attack for attack in FEATURE_ATTACKS if attack in attacks]

    def every_attack(self) -> list[str]:
        return list(dict.fromkeys((*self.portfolio, *self.controls, *self.ladder)))

    def preparing(self, prior: str) -> list[Job]:
        """Jobs that make the judges and the attacks' priors, once, in the user's cache. `prior`: the set-up's kind."""
        owners = {attempt_of(attack, prior).prior: attack for attack in self.every_attack()}
        return [*(PriorJob(attack) for attack in owners.values()), JudgesJob()]

    def training(self, points: Sequence[Point], undefended: Point) -> list[Job]:
        """Jobs that train the targets of all points, and measure the undefended training after every epoch."""
        curves = [CurveJob(undefended, number) for number in range(self.seeds)]
        return [*curves, *(TargetJob(point, number) for number in range(self.seeds) for point in points)]

    def attacking(self, points: Sequence[Point]) -> list[Job]:
        """Jobs that attack the points, the longest attacks first, so that no worker starts a long one at the end."""
        jobs = [
            AttackJob(point, number, attack)
            for number in range(self.seeds)
            for point in points
            for attack in self.attacks_on(point)
        ]
        cost = {attack: _cost(attack) for attack in self.every_attack()}
        jobs.sort(key=lambda job: -cost[job.attack])
        bases = [
            BaselineJob(point, number, name) for number in range(self.seeds) for point in points for name in BASELINES
        ]
        return [*jobs, *bases]

    def comparing(self, points: Sequence[Point]) -> list[Job]:
        """Jobs that compare reconstructions in feature space."""
        return [
            FeaturesJob(point, number, attack)
            for number in range(self.seeds)
            for point in points
            for attack in self.seen_in_features(point)
        ]


def _cost(attack: str) -> int:
    passes = attempt_of(attack, "eigenface").attack.passes(30, 2000, 100)
    return passes.forward + passes.backward
