"""The judge: an evaluation network that no attack sees, and the twin that tells how good it is.

Of another architecture and augmentation than the targets, trained on all private images. How well such a network
tells the private people apart can only be measured on images it has not seen, so a twin is trained in the same way
on the train and val images and measured on the test images.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mi_tune import nets
from mi_tune.data import Bank, Split, augment
from mi_tune.judging.intervals import Estimate, class_interval, per_class_mean
from mi_tune.judging.regressor import IdentityRegressor
from mi_tune.nets import conv_attention, create_classifier, residual, small_cnn, strided_cnn, training
from mi_tune.nets.training import Recipe, Training, predict
from mi_tune.runtime.cache import cached, content_key
from mi_tune.runtime.seeds import derive_seed


@dataclass(frozen=True)
class JudgeRecipe:
    """Architecture and training of a judge. More epochs than a target's are seldom needed: it sees more images."""

    architecture: str = "residual_gn"
    training: Recipe = Recipe(epochs=40, affine=True)


@dataclass(frozen=True)
class Judge:
    """A trained judge.

    `held_out` is its twin's accuracy on the test images, `held_out_per_class` the same of each class (classes,).

    Not a ceiling of attack accuracy: the judge has seen the targets' training images, and can know reconstructions of
    them better than new photographs. `regressor` reads the identity of drawn people; None for photographs.
    """

    name: str
    model: nn.Module
    held_out: Estimate
    key: str
    held_out_per_class: np.ndarray
    regressor: IdentityRegressor | None = None

    def logits(self, images: Tensor, device: torch.device) -> Tensor:
        """Logits (n, classes) on the CPU of uint8 images, or float images in [0, 1]."""
        return predict(self.model.to(device), images, device)


def judge_key(bank: Bank, split: Split, recipe: JudgeRecipe, seed: int) -> str:
    """Content key of the judge: data, split, recipe, seed and the code that trains it."""
    return content_key(
        bank.fingerprint(),
        split.test.tolist(),
        dataclasses.asdict(recipe),
        seed,
        modules=(training, nets, residual, small_cnn, conv_attention, strided_cnn, augment),
    )


def train_judge(bank: Bank, split: Split, recipe: JudgeRecipe, seed: int, device: torch.device) -> Judge:
    """Train, or find, the judge of `bank` and its twin."""
    key = judge_key(bank, split, recipe, seed)
    classes = bank.identities

    def make() -> dict:
        everything = np.arange(len(bank))
        seen = np.concatenate([split.train, split.val])
        judge = _train(bank, everything, recipe, derive_seed(seed, "judge"), device)
        twin = _train(bank, seen, recipe, derive_seed(seed, "judge"), device)
        logits = predict(twin, bank.tensors()[0], device, torch.from_numpy(split.test))
        correct = logits.argmax(1).numpy() == bank.labels[split.test]
        per_class = per_class_mean(correct, bank.labels[split.test], classes)
        return {"state": judge.state_dict(), "held_out": torch.from_numpy(per_class)}

    stored = cached("judge", key, make)
    model = create_classifier(recipe.architecture, classes, bank.channels, bank.resolution, 0)
    model.load_state_dict(stored["state"])
    model.to(device).eval().requires_grad_(False)
    per_class = stored["held_out"].numpy()
    return Judge(recipe.architecture, model, class_interval(per_class), key, per_class)


def _train(bank: Bank, indices: np.ndarray, recipe: JudgeRecipe, seed: int, device: torch.device) -> nn.Module:
    model = create_classifier(recipe.architecture, bank.identities, bank.channels, bank.resolution, seed)
    run = Training(model, *bank.tensors(), torch.from_numpy(indices), recipe.training, seed, device)
    while not run.finished:
        run.train_epoch()
    return model
