"""The kinds of jobs of a confirmation: one piece of work for one worker, which knows what it does and what it costs."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mi_tune.confirmation.cells import Workbench
from mi_tune.setup import Setup
from mi_tune.trial.assets import StudyData
from mi_tune.trial.attempts import attempt_of
from mi_tune.trial.estimate import Speed
from mi_tune.trial.point import Point

FEATURE_SECONDS = 0.022
"""Seconds per private training image of a comparison in feature space: 2 s for 90 images, 19 s for 883."""


class Job(Protocol):
    """One piece of work for one worker."""

    @property
    def title(self) -> str:
        """What it does, in a few words."""

    def run(self, bench: Workbench) -> str:
        """Do it; its results go to the folder of cells. Returns the outcome in a few words.

        Raises FailedJobError with the reason if it has no result.
        """

    def seconds(self, cost: JobCost) -> float:
        """About how long it takes on one worker; 0 if that is unknown before."""


class FailedJobError(Exception):
    """A job that ended without a result, for a reason that is recorded in its cell."""


@dataclass(frozen=True)
class _OnPoint(ABC):
    """A job on one point. number: of the fresh seed."""

    point: Point
    number: int

    @property
    @abstractmethod
    def what(self) -> str:
        """What it does to the point."""

    @property
    def title(self) -> str:
        return f"{self.point.name}, seed {self.number + 1}: {self.what}"


@dataclass(frozen=True)
class JudgesJob:
    """Make the judges."""

    @property
    def title(self) -> str:
        return "judges"

    def run(self, bench: Workbench) -> str:
        held_out = ", ".join(f"{judge.name} {judge.held_out.value:.2f}" for judge in bench.panel.judges)
        return f"accuracy on real held-out images: {held_out}"

    def seconds(self, cost: JobCost) -> float:
        return 0.0  # nothing if they are in the cache


@dataclass(frozen=True)
class PriorJob:
    """Make the prior of an attack, `name:budget`."""

    attack: str

    @property
    def title(self) -> str:
        return f"prior of {self.attack}"

    def run(self, bench: Workbench) -> str:
        bench.ground(attempt_of(self.attack, bench.setup.prior.kind).prior)
        return ""

    def seconds(self, cost: JobCost) -> float:
        return 0.0  # nothing if it is in the cache


@dataclass(frozen=True)
class TargetJob(_OnPoint):
    """Train a target."""

    @property
    def what(self) -> str:
        return "training"

    def run(self, bench: Workbench) -> str:
        return f"natural accuracy {float(bench.target(self.point, self.number).natural.mean()):.3f}"

    def seconds(self, cost: JobCost) -> float:
        return cost.training(self.point)


@dataclass(frozen=True)
class CurveJob(_OnPoint):
    """Train a target and measure its accuracy after every epoch."""

    @property
    def what(self) -> str:
        return "training, measured after every epoch"

    def run(self, bench: Workbench) -> str:
        bench.curve(self.point, self.number)
        return ""

    def seconds(self, cost: JobCost) -> float:
        return cost.training(self.point) + cost.epochs(self.point) * len(cost.data.split.val) * cost.speed.forward


@dataclass(frozen=True)
class AttackJob(_OnPoint):
    """Attack a target and judge the reconstructions. attack: `name:budget`."""

    attack: str

    @property
    def what(self) -> str:
        return self.attack

    def run(self, bench: Workbench) -> str:
        return _judged(bench, bench.attack(self.point, attempt_of(self.attack, bench.setup.prior.kind), self.number))

    def seconds(self, cost: JobCost) -> float:
        return cost.attacking(self.attack)


@dataclass(frozen=True)
class BaselineJob(_OnPoint):
    """Judge a baseline that needs no optimisation. name: of `BASELINES`."""

    name: str

    @property
    def what(self) -> str:
        return self.name

    def run(self, bench: Workbench) -> str:
        return _judged(bench, bench.baseline(self.point, self.name, self.number))

    def seconds(self, cost: JobCost) -> float:
        return 2 * cost.setup.prior.samples * cost.speed.forward


@dataclass(frozen=True)
class FeaturesJob(_OnPoint):
    """Compare an attack's reconstructions in feature space. attack: `name:budget`."""

    attack: str

    @property
    def what(self) -> str:
        return f"{self.attack} in feature space"

    def run(self, bench: Workbench) -> str:
        # an attack that failed was reported as such by its own job
        bench.features(self.point, attempt_of(self.attack, bench.setup.prior.kind), self.number)
        return ""

    def seconds(self, cost: JobCost) -> float:
        return FEATURE_SECONDS * len(cost.data.split.train)


def _judged(bench: Workbench, found: dict[str, Any]) -> str:
    if found["reason"]:
        raise FailedJobError(found["reason"])
    hits = bench.verdicts(found["images"])
    return "attack accuracy by judge: " + ", ".join(f"{name} {float(h.float().mean()):.2f}" for name, h in hits.items())


class JobCost:
    """Seconds of jobs on one worker, estimated from passes through networks, without those of attacks' own GANs."""

    def __init__(self, setup: Setup, data: StudyData, speed: Speed) -> None:
        self.setup, self.data, self.speed = setup, data, speed
        self._attacks: dict[str, float] = {}

    def of(self, jobs: Sequence[Job]) -> float:
        return sum(job.seconds(self) for job in jobs)

    def epochs(self, point: Point) -> int:
        return point.epoch or self.setup.target.epochs

    def training(self, point: Point) -> float:
        """Seconds of the training of a point."""
        return self.epochs(point) * len(self.data.split.train) * self.speed.train_image

    def attacking(self, attack: str) -> float:
        """Seconds of an attack, `name:budget`, on all people."""
        if attack not in self._attacks:
            made = attempt_of(attack, self.setup.prior.kind).attack
            people, samples = self.data.private.identities, self.setup.prior.samples
            self._attacks[attack] = self.speed.of_attack(made, people, samples, len(self.data.public))
        return self._attacks[attack]


def work_on(bench: Workbench, job: Job) -> dict[str, Any]:
    """Do one job in a worker. Returns its `outcome` in a few words, or only the `reason` why it failed."""
    begun = time.perf_counter()
    try:
        outcome = job.run(bench)
    except FailedJobError as error:
        return {"reason": str(error)}
    took = f"{time.perf_counter() - begun:.0f} s"
    return {"outcome": f"{outcome}, {took}" if outcome else took}
