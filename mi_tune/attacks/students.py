"""Students: networks distilled from the target, to be inverted in its place or beside it."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mi_tune import nets
from mi_tune.attacks.ground import Ground
from mi_tune.attacks.oracle import HardLabel, WhiteBox, soft_label, white_box
from mi_tune.data import augment
from mi_tune.nets import create_classifier, schedules, strided_cnn, training
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.cache import cached, content_key, tensor_key
from mi_tune.runtime.seeds import derive_seed

RECIPE = Recipe(epochs=10, batch_size=64, learning_rate=3e-3, weight_decay=0.01, shift=0, flip=False)
"""How a student is trained: few epochs on many images, without augmentation. The target's answer for an image does not
hold for a shifted or mirrored copy, even if the target itself was trained with such copies."""


@dataclass(frozen=True)
class TargetOnly:
    """Invert the target itself."""

    access = "white-box"
    with_target = True
    trained = 0

    def passes(self, public: int, samples: int) -> int:
        return 0

    def lessons(self, public: int, samples: int) -> int:
        return 0

    def members(self, oracle: HardLabel, ground: Ground, classes: int, seed: int) -> list[WhiteBox]:
        return [white_box(oracle)]


@dataclass(frozen=True)
class Students:
    """Distil the target into students and invert them, with the target (LOMMA) or alone (LOKT, clean student).

    Students learn from the public images and the prior's samples. None of these is erased, so the students take over
    what the target knows about faces without the decision surface that Random Erasing shaped.

    Args:
        architectures: one student each (LOMMA: EfficientNet-b0, b1, b2). with_target: invert the target as well.
        labels: `soft` matches the target's probabilities (KL divergence, temperature 1), `hard` its predicted classes.
        public, samples: whether students learn from the public images and from the prior's samples.
    """

    architectures: tuple[str, ...] = ("strided_cnn_slim", "strided_cnn", "strided_cnn_wide")
    with_target: bool = False
    labels: Literal["soft", "hard"] = "soft"
    public: bool = True
    samples: bool = True
    recipe: Recipe = RECIPE

    @property
    def access(self) -> str:
        if self.with_target:
            return "white-box"
        return "soft-label" if self.labels == "soft" else "hard-label"

    @property
    def trained(self) -> int:
        return len(self.architectures)

    def passes(self, public: int, samples: int) -> int:
        return public * self.public + samples * self.samples

    def lessons(self, public: int, samples: int) -> int:
        return self.recipe.epochs * self.passes(public, samples)

    def members(self, oracle: HardLabel, ground: Ground, classes: int, seed: int) -> list[WhiteBox]:
        images = _images(ground, self.public, self.samples)
        answers = self._answers(oracle, images)
        students = [
            distil(answers, images, name, self.recipe, classes, derive_seed(seed, "student", name), oracle.device)
            for name in self.architectures
        ]
        found = [WhiteBox(student, oracle.device) for student in students]
        return [white_box(oracle), *found] if self.with_target else found

    def _answers(self, oracle: HardLabel, images: Tensor) -> Tensor:
        """The target's probabilities (n, classes), or its predicted classes, int64 (n,)."""
        if self.labels == "hard":
            return oracle.labels(images).cpu()
        return soft_label(oracle).confidence(images).cpu()


@dataclass(frozen=True)
class Untrained:
    """Undo Random Erasing: fine-tune a copy of the target on whole images with its own soft labels, then invert it.

    This self-distillation on un-erased images moves the weights away from what only erased images required.
    """

    recipe: Recipe = dataclasses.replace(RECIPE, epochs=8, learning_rate=5e-4)

    access = "white-box"
    with_target = False
    trained = 1

    def passes(self, public: int, samples: int) -> int:
        return public + samples

    def lessons(self, public: int, samples: int) -> int:
        return self.recipe.epochs * self.passes(public, samples)

    def members(self, oracle: HardLabel, ground: Ground, classes: int, seed: int) -> list[WhiteBox]:
        whole = white_box(oracle)
        images = _images(ground, True, True)
        answers = whole.confidence(images).cpu()
        key = content_key(whole.key, _key(images, answers, self.recipe, seed), modules=CODE)

        def make() -> dict[str, Any]:
            model = _trained(whole.copy(), images, answers, self.recipe, seed, whole.device)
            return {"state": model.state_dict()}

        model = whole.copy()
        model.load_state_dict(cached("untrained", key, make)["state"])
        return [WhiteBox(model, whole.device, classes)]


CODE = (training, schedules, augment, nets, strided_cnn)
"""The code that decides a student, beside its data and recipe; part of the cache key."""


def distil(
    answers: Tensor, images: Tensor, architecture: str, recipe: Recipe, classes: int, seed: int, device: torch.device
) -> nn.Module:
    """A student that was trained to give the target's answers. It is cached under a hash of all arguments but `device`.

    Args:
        answers: the target's probabilities (n, classes), or its predicted classes, int64 (n,).
        images: uint8 (n, channels, height, width). architecture: see `mi_tune.nets.create_classifier`.
    """
    channels, resolution = images.shape[1], images.shape[2]

    def fresh() -> nn.Module:
        return create_classifier(architecture, classes, channels, resolution, seed)

    def make() -> dict[str, Any]:
        begun = time.perf_counter()
        model = _trained(fresh(), images, answers, recipe, seed, device)
        return {"state": model.state_dict(), "seconds": time.perf_counter() - begun}

    key = content_key(architecture, classes, _key(images, answers, recipe, seed), modules=CODE)
    model = fresh()
    model.load_state_dict(cached("student", key, make)["state"])
    return model.to(device)


def _images(ground: Ground, public: bool, samples: bool) -> Tensor:
    parts = [torch.from_numpy(ground.public)] * public + [torch.from_numpy(ground.samples.images)] * samples
    return torch.cat(parts)


def _key(images: Tensor, answers: Tensor, recipe: Recipe, seed: int) -> str:
    return content_key(tensor_key(images), tensor_key(answers), dataclasses.asdict(recipe), seed)


def _trained(
    model: nn.Module, images: Tensor, answers: Tensor, recipe: Recipe, seed: int, device: torch.device
) -> nn.Module:
    # cross-entropy accepts classes and probabilities; with probabilities it is the KL divergence plus a constant
    run = Training(model, images, answers, torch.arange(len(images)), recipe, seed, device)
    while not run.finished:
        run.train_epoch()
    return run.model.eval()
