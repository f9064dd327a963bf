"""Syne Tune's MOASHA: multi-objective asynchronous successive halving over random laws.

Source: Syne Tune 0.16, `optimizer/schedulers/multiobjective/moasha.py`; Schmucker et al., arXiv 2106.12639.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer.scheduler import SchedulerDecision
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA
from syne_tune.optimizer.schedulers.multiobjective.multiobjective_priority import MOPriority

from mi_tune.replay.outside.framework import OutsideStudy, OwnRandomState
from mi_tune.replay.outside.syne_space import plain, syne_space
from mi_tune.replay.surface import Surface
from mi_tune.search.halving import ranks
from mi_tune.search.space import distributions

REDUCTION_FACTOR = 3
"""One in this many trials continues at a rung."""
METRICS = ["negative_natural_accuracy", "attack_accuracy"]


class OrderedPriority(MOPriority):
    """The rank of every point, where the shipped priority returns the indices that sort the points.

    The order is that of `mi_tune.search.halving`, which scales the objectives and starts each front at the point
    nearest to its ideal corner.
    """

    def priority_unsafe(self, objectives: np.ndarray) -> np.ndarray:
        return ranks(objectives)


class MoashaStudy(OutsideStudy):
    """MOASHA with the rungs of the table, under the cheap attack, and a reduction factor of 3.

    As with our methods: reference points are recorded at its rungs and never stopped. Different from ours: a trial may
    be stopped from the second trial at a rung on (ours: from the third), and its laws are random, so that there is no
    initial design. It knows no constraints: the floor ends trials before their attack, and is not reported.
    """

    def __init__(
        self, scheduler: MOASHA, draws: OwnRandomState, surface: Surface, seed: int, kept: float | None
    ) -> None:
        super().__init__(_RandomLaws(scheduler, draws), surface, seed, kept)
        self.scheduler, self.draws = scheduler, draws
        self.running: dict[int, Trial] = {}

    def looks_early(self, number: int) -> bool:
        return True

    def goes_on(self, number: int, rung: int, natural: float, cheap: float) -> bool:
        if number not in self.running:
            self.running[number] = Trial(number, {}, datetime.now(UTC))
            with self.draws():  # a bracket is drawn even if there is only one
                self.scheduler.on_trial_add(self.running[number])
        result = {
            self.scheduler.time_attr: REDUCTION_FACTOR**rung,
            **dict(zip(METRICS, (-natural, cheap), strict=True)),
        }
        decision = self.scheduler.on_trial_result(self.running[number], result)
        return decision == SchedulerDecision.CONTINUE or bool(self.asked[number].reference)

    def tell(self, number: int, state: str, record: dict[str, Any]) -> None:
        super().tell(number, state, record)
        # nothing is compared at the last rung: a trial there has finished
        if number in self.running:
            self.scheduler.on_trial_remove(self.running.pop(number))


class _RandomLaws:
    """The sampler part of MOASHA: random search."""

    def __init__(self, scheduler: MOASHA, draws: OwnRandomState) -> None:
        self.scheduler, self.draws = scheduler, draws

    def learn_floor(self, floor: float | None) -> None: ...

    def suggest(self, number: int) -> dict[str, Any]:
        with self.draws():
            return plain(self.scheduler.suggest().config)

    def attach(self, number: int, params: dict[str, Any]) -> None: ...

    def tell(self, number: int, natural: float, attack: float | None) -> None: ...

    def drop(self, number: int) -> None: ...


def make(name: str, surface: Surface, seed: int, min_accuracy_kept: float | None) -> MoashaStudy:
    """`syne-moasha` as shipped, or `syne-moasha-ordered`."""
    scheduler = MOASHA(
        syne_space(distributions(surface.space)),
        METRICS,
        multiobjective_priority=OrderedPriority() if name == "syne-moasha-ordered" else None,
        max_t=REDUCTION_FACTOR ** (surface.rungs - 1),
        grace_period=1,
        reduction_factor=REDUCTION_FACTOR,
        random_seed=seed,
    )
    return MoashaStudy(scheduler, OwnRandomState(seed), surface, seed, min_accuracy_kept)
