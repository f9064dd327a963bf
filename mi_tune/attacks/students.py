"""Students: models that an attacker trains on the target's answers, to invert instead of the target or beside it."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from mi_tune import nets
from mi_tune.attacks.ground import Ground
from mi_tune.attacks.oracle import HardLabel, SoftLabel, WhiteBox
from mi_tune.data import augment
from mi_tune.nets import create_classifier, strided_cnn, training
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.cache import cached, content_key, tensor_key
from mi_tune.runtime.seeds import derive_seed

RECIPE = Recipe(epochs=10, batch_size=64, learning_rate=3e-3, weight_decay=0.01, shift=0, flip=False)
"""How a student is trained: few epochs, many images, each as the target saw it. What the target said of an image does
not hold for a moved or mirrored one, however it was trained itself."""


@dataclass(frozen=True)
class TargetOnly:
    """Invert the target itself."""

    access = "white-box"
    with_target = True

    def passes(self, public: int, samples: int) -> int:
        """Images that the target is asked about before the attack."""
        return 0

    def members(self, oracle: WhiteBox, ground: Ground, classes: int, seed: int) -> list[WhiteBox]:
        """The models to invert, with `classes` logits; the first one is the target if it is among them."""
        return [oracle]


@dataclass(frozen=True)
class Students:
    """Distil the target into students and invert those, with the target (LOMMA) or alone (LOKT, clean student).

    Students learn from the public images and the prior's samples, none of which is erased: they carry the target's
    knowledge of faces without the decision surface that Random Erasing shaped.

    Args:
        architectures: one student each (LOMMA: EfficientNet-b0, b1, b2). with_target: invert the target as well.
        labels: `soft` matches the target's probabilities (KL, temperature 1), `hard` its decisions.
        public, samples: whether the public images and the prior's samples are learnt from.
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

    def passes(self, public: int, samples: int) -> int:
        return public * self.public + samples * self.samples

    def members(self, oracle: HardLabel, ground: Ground, classes: int, seed: int) -> list[WhiteBox]:
        images = _images(ground, self.public, self.samples)
        answers = self._answers(oracle, images)
        students = [
            distil(answers, images, name, self.recipe, classes, derive_seed(seed, "student", name), oracle.device)
            for name in self.architectures
        ]
        found = [WhiteBox(student, oracle.device) for student in students]
        return [oracle, *found] if self.with_target else found  # type: ignore[list-item]

    def _answers(self, oracle: HardLabel, images: Tensor) -> Tensor:
        """The target's probabilities (n, classes), or its labels (n,)."""
        if self.labels == "hard":
            return oracle.labels(images).cpu()
        assert isinstance(oracle, SoftLabel)
        return oracle.confidence(images).cpu()


@dataclass(frozen=True)
class Untrained:
    """Un-train Random Erasing: fine-tune a copy of the target on whole images with its own labels, then invert that.

    Self-distillation on images that were never erased moves the weights away from what only erased views asked for.
    """

    recipe: Recipe = dataclasses.replace(RECIPE, epochs=8, learning_rate=5e-4)

    access = "white-box"
    with_target = False

    def passes(self, public: int, samples: int) -> int:
        return public + samples

    def members(self, oracle: WhiteBox, ground: Ground, classes: int, seed: int) -> list[WhiteBox]:
        images = _images(ground, True, True)
        answers = oracle.confidence(images).cpu()
        key = content_key(oracle.key, _key(images, answers, self.recipe, seed), modules=CODE)

        def make() -> dict:
            model = _trained(oracle.copy(), images, answers, self.recipe, seed, oracle.device)
            return {"state": model.state_dict()}

        model = oracle.copy()
        model.load_state_dict(cached("untrained", key, make)["state"])
        return [WhiteBox(model, oracle.device, classes)]


CODE = (training, augment, nets, strided_cnn)
"""What decides a student beside its data and recipe."""


def distil(
    answers: Tensor, images: Tensor, architecture: str, recipe: Recipe, classes: int, seed: int, device: torch.device
) -> nn.Module:
    """A student that answers as the target did: `answers` are probabilities (n, classes) or labels (n,) of uint8
    `images` (n, channels, height, width). Found again by all of these."""
    channels, resolution = images.shape[1], images.shape[2]

    def fresh() -> nn.Module:
        return create_classifier(architecture, classes, channels, resolution, seed)

    def make() -> dict:
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
    # cross-entropy takes classes and probabilities alike; with probabilities it is KL plus a constant
    run = Training(model, images, answers, torch.arange(len(images)), recipe, seed, device)
    while not run.finished:
        run.train_epoch()
    return run.model.eval()
