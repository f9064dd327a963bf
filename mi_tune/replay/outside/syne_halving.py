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

from mi_tune.replay.outside.framework import OutsideContest, OwnDraws
from mi_tune.replay.outside.syne_space import plain, syne_space
from mi_tune.replay.surface import Surface
from mi_tune.search.halving import ranks
from mi_tune.search.space import distributions

REDUCTION = 3
METRICS = ["negative_natural_accuracy", "attack_accuracy"]


class OrderedPriority(MOPriority):
    """The place of every point in the sorted order, where the priority that is shipped gives the indices of the sorted
    points. The order is that of `mi_tune.search.halving`, which sees objectives scaled and begins a front at its
    corner.
    """

    def priority_unsafe(self, objectives: np.ndarray) -> np.ndarray:
        return ranks(objectives)


class HalvingContest(OutsideContest):
    """MOASHA with rungs where the table has looks, under the cheap attack, and a reduction factor of 3.

    Fair: its rungs hear of every reference, as ours do, and no reference is stopped. Its own way: a trial may be
    stopped at a rung from the second one there (ours: from the third), and its laws are plain random numbers, so that
    there is no initial design. It knows no constraint: the floor ends trials before their attack, and is not told.
    """

    def __init__(self, scheduler: MOASHA, draws: OwnDraws, surface: Surface, seed: int, kept: float | None) -> None:
        super().__init__(_RandomLaws(scheduler, draws), surface, seed, kept)
        self.scheduler, self.draws = scheduler, draws
        self.running: dict[int, Trial] = {}

    def looks_early(self, number: int) -> bool:
        return True

    def goes_on(self, number: int, rung: int, natural: float, cheap: float) -> bool:
        if number not in self.running:
            self.running[number] = Trial(number, {}, datetime.now(UTC))
            with self.draws():  # the bracket is drawn, also where there is one
                self.scheduler.on_trial_add(self.running[number])
        result = {self.scheduler.time_attr: REDUCTION**rung, **dict(zip(METRICS, (-natural, cheap), strict=True))}
        decision = self.scheduler.on_trial_result(self.running[number], result)
        return decision == SchedulerDecision.CONTINUE or bool(self.asked[number].reference)

    def tell(self, number: int, state: str, record: dict[str, Any]) -> None:
        super().tell(number, state, record)
        # the last rung compares nothing: whoever comes there has finished
        if number in self.running:
            self.scheduler.on_trial_remove(self.running.pop(number))


class _RandomLaws:
    """MOASHA as what it is to laws that have not begun: random search."""

    def __init__(self, scheduler: MOASHA, draws: OwnDraws) -> None:
        self.scheduler, self.draws = scheduler, draws

    def learn_floor(self, floor: float | None) -> None: ...

    def suggest(self, number: int) -> dict[str, Any]:
        with self.draws():
            return plain(self.scheduler.suggest().config)

    def attach(self, number: int, params: dict[str, Any]) -> None: ...

    def tell(self, number: int, natural: float, attack: float | None) -> None: ...

    def drop(self, number: int) -> None: ...


def make(name: str, surface: Surface, seed: int, min_accuracy_kept: float | None) -> HalvingContest:
    """`syne-moasha` as shipped, or `syne-moasha-ordered`."""
    scheduler = MOASHA(
        syne_space(distributions(surface.space)),
        METRICS,
        multiobjective_priority=OrderedPriority() if name == "syne-moasha-ordered" else None,
        max_t=REDUCTION ** (surface.rungs - 1),
        grace_period=1,
        reduction_factor=REDUCTION,
        random_seed=seed,
    )
    return HalvingContest(scheduler, OwnDraws(seed), surface, seed, min_accuracy_kept)
