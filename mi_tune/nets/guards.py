"""The moments at which a defence acts while a network trains."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Step:
    """One step of a training, as a guard sees it.

    Args:
        model: the network in training.
        images: float (n, channels, height, width) in [0, 1], augmented and erased.
        labels: int64 (n,), or probabilities (n, classes).
        logits: of the images, (n, classes).
        progress: share of the training that is over, in [0, 1).
        random: the epoch's random stream.
    """

    model: nn.Module
    images: Tensor
    labels: Tensor
    logits: Tensor
    progress: float
    random: torch.Generator


class Guard(nn.Module):
    """What a defence does while one network trains; here: nothing. Its state goes into the training's checkpoints.

    In each step `before`, the network's pass, `after`, `loss` and `end` follow one another, each of all guards before
    the next: a loss may ask the network again, and must not change what another guard has seen of the step's images.
    """

    def start(self, optimiser: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """The optimiser to train with, once before the first step."""
        return optimiser

    def before(self, images: Tensor, random: torch.Generator) -> None:
        """Called before the network sees a step's images, with the network in training mode."""

    def after(self) -> None:
        """Called once the network has seen the step's images, before any loss."""

    def end(self) -> None:
        """Called after the step, to let go of what is needed in it alone."""

    def loss(self, loss: Tensor, step: Step) -> Tensor:
        """The loss to minimise, from what it is without this guard."""
        return loss
