"""Label smoothing with positive and negative factors: only the negative ones protect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.defences.defence import Defence, Limits
from mi_tune.nets.guards import Guard, Step

RAMP_BEGIN, RAMP_END = 0.5, 0.75
"""Shares of the training between which the factor rises linearly to half of itself, before it jumps to the whole."""


class _Smoothing(Guard):
    def __init__(self, alpha: float, ramp: bool) -> None:
        super().__init__()
        self.alpha, self.ramp = alpha, ramp

    def loss(self, loss: Tensor, step: Step) -> Tensor:
        alpha = self.alpha * ramp_at(step.progress) if self.ramp else self.alpha
        if alpha == 0:
            return loss
        uniform = -F.log_softmax(step.logits.float(), 1).mean(1).mean()
        return loss + alpha * (uniform - F.cross_entropy(step.logits, step.labels))


def ramp_at(progress: float) -> float:
    """Share of the factor that acts after `progress` of the training.

    The schedule of the public code of Struppek et al.: nothing in the first half, a linear rise to one half by 75 %,
    then the whole.
    """
    if progress < RAMP_BEGIN:
        return 0.0
    return 1.0 if progress >= RAMP_END else (progress - RAMP_BEGIN) / (1 - RAMP_BEGIN)


@dataclass(frozen=True)
class LabelSmoothing(Defence):
    """Positive label smoothing: loss = (1 - alpha) CE + alpha mean_j(-log p_j).

    Szegedy et al. (CVPR 2016). It raises the leak of model inversion (Struppek et al., ICLR 2024), and is here to show
    that.

    Args:
        alpha: weight of the uniform labels.
    """

    alpha: float = 0.1

    kind: ClassVar[str] = "label_smoothing"
    title: ClassVar[str] = "label smoothing"
    part: ClassVar[str] = "labels"
    limits: ClassVar[dict[str, Limits]] = {"alpha": Limits(0, 0.5, (0.01, 0.3), log=True)}

    @property
    def active(self) -> bool:
        return self.alpha != 0

    def guard(self, model: nn.Module, images: Tensor, classes: int, seed: int) -> Guard:
        return _Smoothing(self.alpha, ramp=False)


@dataclass(frozen=True)
class NegativeLabelSmoothing(Defence):
    """Negative label smoothing: the loss of `LabelSmoothing` with alpha below 0, from the middle of the training on.

    Struppek, Hintersdorf and Kersting, "Be Careful What You Smooth For" (ICLR 2024), with the schedule of their public
    code. The loss has no lower bound.

    Args:
        alpha: weight of the uniform labels, -0.05 as published.
    """

    alpha: float = -0.05

    kind: ClassVar[str] = "neg_ls"
    title: ClassVar[str] = "negative label smoothing"
    part: ClassVar[str] = "labels"
    limits: ClassVar[dict[str, Limits]] = {"alpha": Limits(-0.5, 0, (-0.2, -0.005))}
    # it bends the confidences, which neither labels nor a student distilled from the target's answers follow
    undone_by: ClassVar[tuple[str, ...]] = ("brepmi:reduced", "clean_student:reduced", "lomma:reduced")

    @property
    def active(self) -> bool:
        return self.alpha != 0

    def guard(self, model: nn.Module, images: Tensor, classes: int, seed: int) -> Guard:
        return _Smoothing(self.alpha, ramp=True)
