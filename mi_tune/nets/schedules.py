"""Schedules of the learning rate, as factors of its peak over the course of a training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

Schedule = Literal["one_cycle", "cosine", "multistep", "constant"]
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
WARM_UP = {"one_cycle": 0.15}
"""Default share of the steps that warm up; 0 for the other schedules."""


def learning_rate_factor(
    schedule: Schedule,
    progress: float,
    warm_up: float | None = None,
    milestones: Sequence[float] = (),
    step_factor: float = 0.1,
) -> float:
    """The learning rate at a point of a training, as a share of its peak.

    Args:
        schedule: `one_cycle` (Smith, arXiv 1708.07120: a warm-up, then a cosine down to zero), `cosine` (Loshchilov and
            Hutter, arXiv 1608.03983, without restarts: the same without a warm-up of its own), `multistep` (times
            `step_factor` at each milestone), or `constant`.
        progress: share of the steps that are done, in [0, 1].
        warm_up: share of the steps with a linear rise from zero; None for the schedule's default.
        milestones: of `multistep`, as shares of the training.
    """
    warm = WARM_UP.get(schedule, 0.0) if warm_up is None else warm_up
    if progress < warm:
        return progress / warm
    if schedule == "constant":
        return 1.0
    if schedule == "multistep":
        return step_factor ** sum(progress >= milestone for milestone in milestones)
    return 0.5 * (1 + math.cos(math.pi * (progress - warm) / (1 - warm)))
