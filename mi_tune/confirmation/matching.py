"""Controls at equal natural accuracy: how much of a law's privacy does any training of that accuracy have?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mi_tune.trial.point import Point, stopped


def match_stops(
    points: Sequence[Point], accuracy: Mapping[str, float], curve: np.ndarray
) -> tuple[dict[str, Point | None], list[Point]]:
    """For each defended point the epoch at which the undefended training is as accurate.

    Args:
        accuracy: val accuracy of each point, mean over seeds. curve: of the undefended training after every epoch.

    Returns:
        The control of each point, None where the whole undefended training is no more accurate; the controls.
    """
    found: dict[str, Point | None] = {}
    for point in points:
        if point.treatment.law.probability == 0:
            continue
        near = int(np.abs(curve - accuracy[point.name]).argmin()) + 1
        found[point.name] = None if accuracy[point.name] >= curve[-1] or near == len(curve) else stopped(near)
    controls = {control.name: control for control in found.values() if control is not None}
    return found, sorted(controls.values(), key=lambda control: control.epoch or 0)


def match_augmentations(
    candidates: Mapping[str, Sequence[Point]], accuracy: Mapping[str, float], wanted: float
) -> list[Point]:
    """Of each augmentation the strength whose val accuracy is nearest to the wanted one."""
    return [min(steps, key=lambda step: abs(accuracy[step.name] - wanted)) for steps in candidates.values()]
