"""The undefended target stopped early: the cheapest way to give up natural accuracy, and what a defence must beat."""

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
from mi_tune.trial.evaluation import natural_per_class, target_training


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


def stops(epochs: int) -> tuple[int, ...]:
    """Where a training of `epochs` is looked at: 2, 4, 6, 8, 10, 15, then every tenth, and the end."""
    dense = itertools.chain((2, 4, 6, 8, 10, 15), range(20, epochs, 10))
    return (*(epoch for epoch in dense if epoch < epochs), epochs)


def snapshots(
    setup: Setup, data: StudyData, seed: int, replicate: int, device: torch.device, at: Sequence[int] | None = None
) -> Iterator[Snapshot]:
    """Train the undefended target of a replicate and yield it after each epoch of `at` (default: `stops`), in order.

    The same seeds and schedule as the whole training: the snapshot at its end is the undefended target itself.

    Raises:
        InputError: an epoch of `at` is outside the training. DivergedError: the training diverged.
    """
    run = target_training(setup, data, NO_DEFENCE, seed, replicate, device)
    wanted = sorted(set(stops(run.recipe.epochs) if at is None else at))
    outside = [epoch for epoch in wanted if not 1 <= epoch <= run.recipe.epochs]
    if outside:
        raise InputError(f"early stopping: epoch {outside[0]} is not in the training of {run.recipe.epochs} epochs")
    for epoch in wanted:
        while run.epoch < epoch:
            run.train_epoch()
        # cloned: on the CPU a state_dict shares its memory with the weights that go on changing
        state = {name: value.detach().cpu().clone() for name, value in run.model.state_dict().items()}
        yield Snapshot(epoch, state, natural_per_class(run.model, data, device))


def nearest(replicates: Sequence[Sequence[Snapshot]], natural_accuracy: float) -> list[Snapshot]:
    """The snapshots of one epoch, one a replicate, whose mean natural accuracy is nearest to the wanted one.

    Args:
        replicates: the snapshots of each replicate, at least one of an epoch that all have. Of two epochs equally
            near the earlier is taken.

    Raises:
        InputError: no epoch is common to all replicates.
    """
    by_epoch = [{snapshot.epoch: snapshot for snapshot in run} for run in replicates]
    common = sorted(set.intersection(*(set(run) for run in by_epoch))) if by_epoch else []
    if not common:
        raise InputError("early stopping: the replicates have no epoch in common; take snapshots at the same epochs")

    def miss(epoch: int) -> float:
        return abs(float(np.mean([run[epoch].natural for run in by_epoch])) - natural_accuracy)

    epoch = min(common, key=miss)
    return [run[epoch] for run in by_epoch]
