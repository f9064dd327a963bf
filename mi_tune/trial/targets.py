"""The targets: the training of one, by this project's loop or the user's own, and what it classifies correctly."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw
from mi_tune.judging.intervals import per_class_mean
from mi_tune.nets.trainers import OwnTraining, TrainerSource
from mi_tune.nets.training import Training, predict
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import Setup
from mi_tune.trial.assets import StudyData, create_target, target_recipe
from mi_tune.trial.pretraining import start_from_public

TRIED_IMAGES = 32
"""How many training images the user's own loop is tried on."""


def target_training(
    setup: Setup, data: StudyData, law: ErasingLaw | Treatment, seed: int, replicate: int, device: torch.device
) -> Training:
    """Prepare the training of one target, without starting it.

    Args:
        law: an erasing law or a whole treatment; a `mean` fill is resolved with the training images' mean.
        seed: the study's. replicate: number of the target; with `seed` it decides the target's own seeds.
    """
    bank = data.private
    treatment = treatment_of(law, data)
    train = training_of(setup, treatment)
    model = create_target(setup, bank, derive_seed(seed, "target", replicate, "weights"))
    start_from_public(model, setup, data, seed, device, treatment.starts_from_public)
    images, labels = bank.tensors()
    guards = treatment.guarded(
        model, images, bank.identities, derive_seed(seed, "target", replicate, "defences"), device
    )
    return train(
        model,
        images,
        labels,
        torch.from_numpy(data.split.train),
        treatment.recipe(target_recipe(setup)),
        derive_seed(seed, "target", replicate, "training"),
        device,
        treatment.law,
        treatment.control,
        guards,
    )


def treatment_of(law: ErasingLaw | Treatment, data: StudyData) -> Treatment:
    """A law or a treatment as a treatment whose `mean` fills are those of the training images."""
    treatment = law if isinstance(law, Treatment) else Treatment(law)
    return treatment.resolved(data.private.mean(data.split.train))


def training_of(setup: Setup, treatment: Treatment) -> Callable[..., Training]:
    """The class that trains the setup's targets: this project's loop, or one that calls the user's own.

    Raises InputError if a treatment does more than erase, which the user's own loop cannot be made to do.
    """
    if setup.target.trainer is None:
        return Training
    if treatment != Treatment(law=treatment.law, epochs=treatment.epochs):
        raise InputError(
            f"trainer '{setup.target.trainer}': your own loop is given an erasing law and nothing else; leave out "
            "other defences and augmentations, or --trainer"
        )
    return partial(OwnTraining, TrainerSource(setup.target.trainer))


def check_trainer(setup: Setup, data: StudyData, device: torch.device) -> None:
    """Let the user's own loop train two epochs on a few images, where the setup has one.

    Raises InputError, in one line, if it fails, never reports, or gives no trained network of that architecture.
    """
    if setup.target.trainer is None:
        return
    target = setup.target.model_copy(update={"epochs": 2, "pretrain": "none", "freeze": 0})
    few = dataclasses.replace(data.split, train=data.split.train[:TRIED_IMAGES])
    run = target_training(
        setup.model_copy(update={"target": target}),
        dataclasses.replace(data, split=few),
        REFERENCE_LAWS["MIDRE(0.1, 0.4)"],
        *(0, 0, device),
    )
    while not run.finished:
        run.train_epoch()


def natural_per_class(model: torch.nn.Module, data: StudyData, device: torch.device) -> np.ndarray:
    """Natural accuracy of each class on the val images, in [0, 1], (classes,)."""
    labels = data.private.labels[data.split.val]
    logits = predict(model, data.private.tensors()[0], device, torch.from_numpy(data.split.val))
    return per_class_mean(logits.argmax(1).numpy() == labels, labels, data.private.identities)
