"""Early stopping of the undefended target: the cheapest trade of natural accuracy, which a defence must beat."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mi_tune.erasing import NO_DEFENCE
from mi_tune.runtime.errors import InputError
from mi_tune.setup import Setup
from mi_tune.trial.assets import StudyData
from mi_tune.trial.targets import natural_per_class, target_training


@dataclass(frozen=True)
class Snapshot:
    """A target after `epoch` epochs.

    Args:
        state: its state_dict, copied to the CPU.
        natural: natural accuracy of each class on the val images, (classes,).
    """

    epoch: int
    state: dict[str, Tensor]
    natural: np.ndarray


def snapshot_epochs(epochs: int) -> tuple[int, ...]:
    """Default epochs of the snapshots of a training of `epochs`: 2, 4, 6, 8, 10, 15, every tenth, and the last."""
    before_the_end = itertools.chain((2, 4, 6, 8, 10, 15), range(20, epochs, 10))
    return (*(epoch for epoch in before_the_end if epoch < epochs), epochs)


def snapshots(
    setup: Setup, data: StudyData, seed: int, replicate: int, device: torch.device, at: Sequence[int] | None = None
) -> Iterator[Snapshot]:
    """Train the undefended target of one replicate and yield a snapshot after each epoch of `at`, in order.

    Seeds and learning-rate schedule are those of the whole training, so the last epoch's snapshot is the undefended
    target itself.

    Args:
        at: epochs, from 1 on; by default `snapshot_epochs` of the whole training.

    Raises:
        InputError: an epoch of `at` is outside the training. DivergedError: the training diverged.
    """
    run = target_training(setup, data, NO_DEFENCE, seed, replicate, device)
    wanted = sorted(set(snapshot_epochs(run.recipe.epochs) if at is None else at))
    outside = [epoch for epoch in wanted if not 1 <= epoch <= run.recipe.epochs]
    if outside:
        raise InputError(f"early stopping: epoch {outside[0]} is not in the training of {run.recipe.epochs} epochs")
    for epoch in wanted:
        while run.epoch < epoch:
            run.train_epoch()
        # cloned: on the CPU a state_dict shares memory with the weights, which change as training continues
        state = {name: value.detach().cpu().clone() for name, value in run.model.state_dict().items()}
        yield Snapshot(epoch, state, natural_per_class(run.model, data, device))


def nearest_snapshots(replicates: Sequence[Sequence[Snapshot]], natural_accuracy: float) -> list[Snapshot]:
    """The snapshots of the epoch whose mean natural accuracy over replicates is nearest to `natural_accuracy`.

    Args:
        replicates: the snapshots of each replicate; they need at least one epoch in common.

    Returns:
        One snapshot per replicate. Of two equally near epochs, the earlier.

    Raises:
        InputError: no epoch is common to all replicates.
    """
    by_epoch = [{snapshot.epoch: snapshot for snapshot in run} for run in replicates]
    common = sorted(set.intersection(*(set(run) for run in by_epoch))) if by_epoch else []
    if not common:
        raise InputError("early stopping: the replicates have no epoch in common; take snapshots at the same epochs")

    def distance(epoch: int) -> float:
        return abs(float(np.mean([run[epoch].natural for run in by_epoch])) - natural_accuracy)

    epoch = min(common, key=distance)
    return [run[epoch] for run in by_epoch]
