"""AT-AT: training on tiny perturbations towards other classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.defences.defence import Defence, Limits
from mi_tune.nets.guards import Guard, Step

STEPS = 5
"""Steps of the perturbation, each of a fifth of its bound, as published."""


class _Adversarial(Guard):
    def __init__(self, weight: float, bound: float, classes: int) -> None:
        super().__init__()
        self.weight, self.bound, self.classes = weight, bound, classes

    def loss(self, loss: Tensor, step: Step) -> Tensor:
        targets = torch.randint(self.classes, (len(step.images),), device=step.images.device, generator=step.random)
        moved = towards(step.model, step.images, targets, self.bound)
        return loss + self.weight * F.cross_entropy(step.model(moved), targets)


def towards(model: nn.Module, images: Tensor, targets: Tensor, bound: float) -> Tensor:
    """Images moved by signed gradient steps, at most `bound` per value, so that the model sees `targets` in them.

    The model is in evaluation mode for the steps, so that its running statistics do not move, and is put back after.
    """
    training, moved = model.training, images
    model.eval()
    for _ in range(STEPS):
        moved = moved.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(F.cross_entropy(model(moved), targets), moved)
        moved = moved.detach() - bound / STEPS * gradient.sign()
        moved = torch.clamp(moved, images - bound, images + bound).clamp(0, 1)
    model.train(training)
    return moved.detach()


@dataclass(frozen=True)
class TargetedAdversarial(Defence):
    """AT-AT: loss = CE(x, y) + weight CE(x + delta, y'), for a random class y' and delta by targeted steps towards it.

    The targeted adversarial training of an ICLR 2026 paper with its public configuration: weight 0.08, bound 0.0005 and
    five steps of 0.0001 for inputs in [-1, 1]; here for pixels in [0, 1], so that the bound is half of it.

    Args:
        weight: of the second term.
        bound: largest change of a pixel's value in [0, 1].
    """

    weight: float = 0.08
    bound: float = 0.00025

    kind: ClassVar[str] = "at_at"
    title: ClassVar[str] = "AT-AT"
    part: ClassVar[str] = "adversarial images"
    limits: ClassVar[dict[str, Limits]] = {
        "weight": Limits(0, 10, (0.01, 1.0), log=True),
        "bound": Limits(0, 1, (1e-4, 0.02), log=True),
    }
    cost: ClassVar[float] = 6.0
    undone_by: ClassVar[tuple[str, ...]] = ("brepmi:reduced", "clean_student:reduced")

    @property
    def active(self) -> bool:
        return self.weight > 0

    def guard(self, model: nn.Module, images: Tensor, classes: int, seed: int) -> Guard:
        return _Adversarial(self.weight, self.bound, classes)
