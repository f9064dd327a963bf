"""The judge: a classifier of the private people that no attack sees, with its own accuracy.

Its architecture and augmentation differ from the targets'. By default it learns from the private images that no target
is trained on, and its accuracy is measured on those that targets are trained on. A judge that learns from all private
images shares the targets' training images, and recognises in reconstructions what only networks trained on these images
see (docs/judges.md). The accuracy of such a judge can only be measured on a second network, its twin, which is trained
in the same way on the train and val images only, and tested on the test images.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from mi_tune import nets
from mi_tune.data import Bank, Split, augment
from mi_tune.judging.intervals import Estimate, class_interval, per_class_mean
from mi_tune.judging.regressor import IdentityRegressor
from mi_tune.nets import (
    conv_attention,
    create_classifier,
    own_code,
    published,
    residual,
    schedules,
    small_cnn,
    strided_cnn,
    training,
)
from mi_tune.nets.training import Recipe, Training, predict
from mi_tune.runtime.cache import cached, content_key
from mi_tune.runtime.seeds import derive_seed


@dataclass(frozen=True)
class JudgeRecipe:
    """Architecture and training of a judge.

    photographs: which private images it learns from: those `unseen` by the targets (val and test), or `all`.
    """

    architecture: str = "residual_gn"
    training: Recipe = Recipe(epochs=40, affine=True)
    photographs: Literal["unseen", "all"] = "unseen"


@dataclass(frozen=True)
class Judge:
    """A trained judge.

    Args:
        name: its architecture. key: content key, see `judge_key`.
        held_out: accuracy on real images that it, or its twin, was not trained on, with a class-level interval. For a
            judge of all private images this is no upper bound of attack accuracy.
        held_out_per_class: the same accuracy per class, (classes,).
        regressor: recovers the identity parameters of drawn people; None for photographs.
        learned: which private images trained it: those `unseen` by the targets, `all`, or `none`.
    """

    name: str
    model: nn.Module
    held_out: Estimate
    key: str
    held_out_per_class: np.ndarray
    regressor: IdentityRegressor | None = None
    learned: Literal["unseen", "all", "none"] = "unseen"

    @property
    def saw_private(self) -> bool:
        """Whether private images trained it."""
        return self.learned != "none"

    def logits(self, images: Tensor, device: torch.device) -> Tensor:
        """Logits (n, classes), on the CPU, of images (n, channels, height, width), uint8 or float in [0, 1]."""
        return predict(self.model.to(device), images, device)


def judge_key(bank: Bank, split: Split, recipe: JudgeRecipe, seed: int) -> str:
    """Content key of a judge: its data, split, recipe and seed, and the code that trains it."""
    return content_key(
        bank.fingerprint(),
        *(split.train.tolist(), split.test.tolist()),
        dataclasses.asdict(recipe),
        seed,
        modules=(
            *(training, schedules, nets, residual, small_cnn, conv_attention, strided_cnn, augment),
            *published.CODE,
            *own_code(recipe.architecture),
        ),
    )


def train_judge(bank: Bank, split: Split, recipe: JudgeRecipe, seed: int, device: torch.device) -> Judge:
    """Train the judge of `bank`, or load it from the cache."""
    key = judge_key(bank, split, recipe, seed)
    classes = bank.identities

    def make() -> dict:
        unseen = np.concatenate([split.val, split.test])
        if recipe.photographs == "unseen":
            judge = tested = _train(bank, unseen, recipe, derive_seed(seed, "judge"), device)
            held_out = split.train
        else:
            judge = _train(bank, np.arange(len(bank)), recipe, derive_seed(seed, "judge"), device)
            known = np.concatenate([split.train, split.val])
            tested, held_out = _train(bank, known, recipe, derive_seed(seed, "judge"), device), split.test
        logits = predict(tested, bank.tensors()[0], device, torch.from_numpy(held_out))
        correct = logits.argmax(1).numpy() == bank.labels[held_out]
        per_class = per_class_mean(correct, bank.labels[held_out], classes)
        return {"state": judge.state_dict(), "held_out": torch.from_numpy(per_class)}

    stored = cached("judge", key, make)
    model = create_classifier(recipe.architecture, classes, bank.channels, bank.resolution, 0)
    model.load_state_dict(stored["state"])
    model.to(device).eval().requires_grad_(False)
    per_class = stored["held_out"].numpy()
    name = recipe.architecture.rpartition("/")[2]  # of an own network without its place
    return Judge(name, model, class_interval(per_class), key, per_class, learned=recipe.photographs)


def _train(bank: Bank, indices: np.ndarray, recipe: JudgeRecipe, seed: int, device: torch.device) -> nn.Module:
    model = create_classifier(recipe.architecture, bank.identities, bank.channels, bank.resolution, seed)
    run = Training(model, *bank.tensors(), torch.from_numpy(indices), recipe.training, seed, device)
    while not run.finished:
        run.train_epoch()
    return model
