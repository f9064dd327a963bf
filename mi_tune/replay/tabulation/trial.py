"""One trial of the table: a target trained with a law, evaluated and attacked at every rung of its training.

The learning rate follows the schedule of the whole training, so the model at a lower rung is the under-trained one that
early stopping would judge.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mi_tune.attacks import Attack, Ground, Portfolio
from mi_tune.erasing import ErasingLaw
from mi_tune.judging import Judge
from mi_tune.nets.training import Training
from mi_tune.runtime.errors import DivergedError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import Setup
from mi_tune.trial import evaluation
from mi_tune.trial.assets import StudyData
from mi_tune.trial.evaluation import attack_half_trained
from mi_tune.trial.targets import natural_per_class, target_training

RUNG_FRACTIONS = (1 / 9, 1 / 3, 1.0)
"""The rungs, as shares of the epochs of a whole training."""

CODE_MODULES = (sys.modules[__name__], evaluation)
"""Modules whose code is part of a cell's key."""


@dataclass(frozen=True)
class Tools:
    """What a target is measured with: the cheap attack at every rung, the full attack at the last, and the judge."""

    cheap: Attack | Portfolio
    attack: Attack | Portfolio
    ground: Ground
    judge: Judge


def rungs(epochs: int) -> tuple[int, ...]:
    """The epochs after which a training of `epochs` epochs is evaluated; the last is its end."""
    return tuple(max(1, round(epochs * fraction)) for fraction in RUNG_FRACTIONS)


def val_images(data: StudyData) -> np.ndarray:
    """Number of val images of each class, int (classes,)."""
    return np.bincount(data.private.labels[data.split.val], minlength=data.private.identities)


def run_trial(
    setup: Setup, data: StudyData, law: ErasingLaw, seed: int, replicate: int, tools: Tools, device: torch.device
) -> dict[str, Any]:
    """Train the target of a law and replicate, and measure it at every rung.

    Initial weights, order of the images and attacks are seeded as in a study of `seed`. All laws share them, so that
    comparisons between laws are paired.

    Returns:
        `rungs`: for each measured rung `epochs`, `natural_hits`, `cheap` and, at the last, `attack` (each of the two
        with `hits`, `forward_passes`, `backward_passes`), and `seconds` by phase (`train` since the beginning, the
        others at this rung); hits are counts per class. `reason`: why training ended early, "" if it did not.
        `seconds`: by phase, at the end.
    """
    # seeds the draws of layers such as dropout, as in a trial of a study
    torch.manual_seed(derive_seed(seed, "trial"))
    run = target_training(setup, data, law, seed, replicate, device)
    at = rungs(run.recipe.epochs)
    found: list[dict[str, Any]] = []
    seconds: dict[str, float] = {}
    reason = ""
    try:
        for number, epochs in enumerate(at):
            seconds = {"train": seconds.get("train", 0.0)}
            with _timed(seconds, "train"):
                while run.epoch < epochs:
                    run.train_epoch()
            rung: dict[str, Any] = {"epochs": epochs}
            with _timed(seconds, "evaluate"):
                natural = natural_per_class(run.model, data, device)
                rung["natural_hits"] = np.rint(natural * val_images(data)).astype(int).tolist()
            with _timed(seconds, "cheap"):
                rung["cheap"] = _attacked(tools.cheap, tools, run, seed, replicate)
            if number == len(at) - 1:
                with _timed(seconds, "attack"):
                    rung["attack"] = _attacked(tools.attack, tools, run, seed, replicate)
            found.append({**rung, "seconds": dict(seconds)})
    except DivergedError as error:
        reason = str(error)
    return {"rungs": found, "reason": reason, "seconds": dict(seconds)}


def _attacked(attack: Attack | Portfolio, tools: Tools, run: Training, seed: int, replicate: int) -> dict[str, Any]:
    result, verdicts = attack_half_trained(
        run, attack, tools.ground, tools.judge, derive_seed(seed, "attack", replicate)
    )
    return {
        "hits": (verdicts.top1 == np.arange(len(verdicts.top1))[:, None]).sum(1).tolist(),
        "forward_passes": int(result.forward_passes),
        "backward_passes": int(result.backward_passes),
    }


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    begun = time.perf_counter()
    try:
        yield
    finally:
        seconds[phase] = seconds.get(phase, 0.0) + (time.perf_counter() - begun)
