"""The judge: an evaluation network that no attack sees, with its own accuracy.

Its architecture and augmentation differ from the targets', and it is trained on all private images. Its accuracy can
only be measured on images that it has not seen. So a second network, its twin, is trained in the same way on the
train and val images only, and tested on the test images.
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
    """Architecture and training of a judge.

    A judge seldom needs more epochs than a target, because it trains on more images.
    """

    architecture: str = "residual_gn"
    training: Recipe = Recipe(epochs=40, affine=True)


@dataclass(frozen=True)
class Judge:
    """A trained judge.

    Args:
        name: its architecture. key: content key, see `judge_key`.
        held_out: accuracy of its twin on the test images, with a class-level interval. This is no upper bound of
            attack accuracy: the judge has seen the targets' training images, so it may recognise reconstructions of
            them better than new photographs.
        held_out_per_class: the same accuracy per class, (classes,).
        regressor: recovers the identity parameters of drawn people; None for photographs.
        saw_private: whether it was trained on the private images.
    """

    name: str
    model: nn.Module
    held_out: Estimate
    key: str
    held_out_per_class: np.ndarray
    regressor: IdentityRegressor | None = None
    saw_private: bool = True

    def logits(self, images: Tensor, device: torch.device) -> Tensor:
        """Logits (n, classes), on the CPU, of images (n, channels, height, width), uint8 or float in [0, 1]."""
        return predict(self.model.to(device), images, device)


def judge_key(bank: Bank, split: Split, recipe: JudgeRecipe, seed: int) -> str:
    """Content key of a judge: its data, split, recipe and seed, and the code that trains it."""
    return content_key(
        bank.fingerprint(),
        split.test.tolist(),
        dataclasses.asdict(recipe),
        seed,
        modules=(training, nets, residual, small_cnn, conv_attention, strided_cnn, augment),
    )


def train_judge(bank: Bank, split: Split, recipe: JudgeRecipe, seed: int, device: torch.device) -> Judge:
    """Train the judge of `bank` and its twin, or load them from the cache."""
    key = judge_key(bank, split, recipe, seed)
    classes = bank.identities

    def make() -> dict:
        all_images = np.arange(len(bank))
        without_test = np.concatenate([split.train, split.val])
        judge = _train(bank, all_images, recipe, derive_seed(seed, "judge"), device)
        twin = _train(bank, without_test, recipe, derive_seed(seed, "judge"), device)
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
