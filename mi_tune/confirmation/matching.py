"""Match controls to laws by natural accuracy, to see how much privacy any training of that accuracy has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mi_tune.trial.point import Point, stopped


def match_stops(
    points: Sequence[Point], accuracy: Mapping[str, float], curve: np.ndarray
) -> tuple[dict[str, Point | None], list[Point]]:
    """For each defended point, find the epoch at which the undefended training is about as accurate.

    Args:
        points: of the confirmation; those without erasing are skipped.
        accuracy: validation accuracy of each point by name, mean over seeds, in [0, 1].
        curve: validation accuracy of the undefended training after every epoch (epochs,), mean over seeds.

    Returns:
        The early-stopping control of each point by name, None if the whole undefended training is no more accurate;
        and the distinct controls, by epoch.
    """
    found: dict[str, Point | None] = {}
    for point in points:
        if point.treatment.undefended:
            continue
        near = int(np.abs(curve - accuracy[point.name]).argmin()) + 1
        found[point.name] = None if accuracy[point.name] >= curve[-1] or near == len(curve) else stopped(near)
    controls = {control.name: control for control in found.values() if control is not None}
    return found, sorted(controls.values(), key=lambda control: control.epoch or 0)


def match_augmentations(
    candidates: Mapping[str, Sequence[Point]], accuracy: Mapping[str, float], wanted: float
) -> list[Point]:
    """For each augmentation, the strength whose validation accuracy is nearest to `wanted`."""
    return [min(steps, key=lambda step: abs(accuracy[step.name] - wanted)) for steps in candidates.values()]
