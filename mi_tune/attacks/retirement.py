"""Early stopping of single candidates: when a candidate is done before its steps are used up."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mi_tune.runtime.errors import InputError


@dataclass(frozen=True)
class Retire:
    """Stop moving a candidate once the target is sure of it and its loss has stopped falling.

    Both conditions are needed: a candidate continues to look more like the person long after the target is sure. On
    undefended targets of the built-in faces, confidence alone lost several points of attack accuracy. Means over steps
    are used, because each step sees another random view. The saved time goes to the candidates that still need it.

    Args:
        confidence: least mean confidence over the last `window` steps, in [0, 1].
        window: steps, 1 or more.
        gain: a loss has stopped falling when its mean over the last `window` steps is lower than its mean over the
            `window` steps before by at most this share of its total fall since the first step.
        minimum: steps before which no candidate retires; never fewer than 2 * `window`.

    Raises:
        InputError: a confidence outside [0, 1], or a window below 1.
    """

    confidence: float = 0.999
    window: int = 6
    gain: float = 0.05
    minimum: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.confidence <= 1 or self.window < 1:
            raise InputError(
                f"Retire(confidence={self.confidence}, window={self.window}): "
                "give a confidence in [0, 1] and a window of 1 or more"
            )


class RetirementWatch:
    """The last steps of every candidate, from which `done` says who retires."""

    def __init__(self, rule: Retire, candidates: int, device: torch.device) -> None:
        self.rule = rule
        self.first = torch.zeros(candidates, device=device)
        self.losses = torch.zeros(2 * rule.window, candidates, device=device)
        self.confidence = torch.zeros(rule.window, candidates, device=device)
        self.steps = 0

    def done(self, rows: Tensor, loss: Tensor, confidence: Tensor) -> Tensor:
        """Which of the rows (m,) retire, bool (m,), after another step of all candidates that still move.

        loss, confidence: of the rows in this step, (m,).
        """
        window = self.rule.window
        if self.steps == 0:
            self.first[rows] = loss
        # all candidates that still move have taken the same number of steps, so one counter is enough
        self.losses[self.steps % (2 * window), rows] = loss
        self.confidence[self.steps % window, rows] = confidence
        self.steps += 1
        if self.steps < max(2 * window, self.rule.minimum):
            return torch.zeros_like(rows, dtype=torch.bool)
        order = (torch.arange(2 * window, device=rows.device) + self.steps) % (2 * window)
        before, now = self.losses[order][:, rows].view(2, window, -1).mean(1)
        sure = self.confidence[:, rows].mean(0) >= self.rule.confidence
        return sure & (before - now <= self.rule.gain * (self.first[rows] - now))
