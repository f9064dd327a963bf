"""One resumable training loop for all classifiers.

Images stay on the device as one uint8 tensor, and a batch is an index into it. Every epoch has its own random stream,
seeded by name, so a run that stops after any epoch and resumes gives the same weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.data.augment import random_affine, shift_and_flip
from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.nets import place
from mi_tune.runtime.device import autocast, comfortable_batch, fetched, home_of
from mi_tune.runtime.errors import DivergedError
from mi_tune.runtime.seeds import generator


class Augmentation(Protocol):
    """A random change of float images (n, channels, height, width) in [0, 1] and their labels, drawn from `random`.

    `mixes_labels`: whether it takes and returns probabilities (n, classes) instead of int64 labels (n,).
    """

    @property
    def mixes_labels(self) -> bool: ...

    def __call__(self, images: Tensor, labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Args:
        epochs: passes over the training images.
        batch_size: images per step; the last, smaller batch of an epoch is used too.
        optimiser: `adamw`, or `sgd` with Nesterov momentum 0.9.
        learning_rate: the peak of the one-cycle schedule (Smith, arXiv 1708.07120): linear warm-up over the
            first 15 % of the steps, then a cosine down to zero.
        weight_decay: decoupled for AdamW, L2 for SGD.
        shift: largest random translation in pixels, along both axes.
        flip: mirror half of the images.
        affine: random rotation, zoom and brightness (the judge's augmentation) instead of `shift`.
        dropped: share of the training images left out of each epoch, drawn again every epoch, in [0, 1).
        refilled: whether the kept images are repeated until the epoch is as long as without `dropped`.
    """

    epochs: int = 60
    batch_size: int = 32
    optimiser: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    shift: int = 2
    flip: bool = True
    affine: bool = False
    dropped: float = 0.0
    refilled: bool = False


class Training:
    """Training of one classifier, one epoch at a time.

    Args:
        model: takes float images in [0, 1]; moved to the device.
        images: the bank's images, uint8 (n, channels, height, width); never written to.
        labels: int64 (n,), or probabilities (n, classes).
        indices: int64 (m,), the images of the bank to train on.
        recipe: how to train.
        seed: seeds the order, augmentation and erasing, but not the model's initialisation.
        law: the erasing law, applied in pixel space after shift and flip; a `mean` fill must be resolved.
        control: another augmentation, applied after the law. If it mixes labels, `labels` must contain the model's last
            class.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        indices: Tensor,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        law: ErasingLaw = NO_DEFENCE,
        control: Augmentation | None = None,
    ) -> None:
        self.model = place(model, device)
        self.images, self.labels, self.indices = home_of(images, device), labels.to(device), indices.to(device)
        self.recipe, self.seed, self.device, self.law, self.control = recipe, seed, device, law, control
        if control is not None and control.mixes_labels and labels.ndim == 1:
            self.labels = F.one_hot(self.labels).float()
        self.epoch = 0
        self.erase_map = torch.zeros(images.shape[2:], device=device)
        self.views = 0
        self.optimiser = _optimiser(model, recipe)

    @property
    def finished(self) -> bool:
        return self.epoch >= self.recipe.epochs

    def train_epoch(self) -> float:
        """Train for one epoch in random order; returns the mean loss. Raises DivergedError if that is not finite."""
        random = generator(self.seed, "epoch", self.epoch, device=self.device)
        order = self._order(random)
        n = len(order)
        batches = batches_of(order, self.recipe.batch_size)
        steps = len(batches)
        losses = torch.zeros((), device=self.device)
        self.model.train()
        for step, batch in enumerate(batches):
            self._set_learning_rate((self.epoch * steps + step) / (self.recipe.epochs * steps))
            images, labels = self._augment(fetched(self.images, batch, self.device), random), self.labels[batch]
            if self.control is not None:
                images, labels = self.control(images, labels, random)
            images = images.contiguous(memory_format=torch.channels_last)
            with autocast(self.device):
                loss = F.cross_entropy(self.model(images), labels)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            losses += loss.detach() * len(batch)
        self.epoch += 1
        mean = float(losses / n)
        if not math.isfinite(mean):
            raise DivergedError(
                f"training diverged: the loss is {mean} in epoch {self.epoch}; lower target.learning_rate"
            )
        return mean

    def _order(self, random: torch.Generator) -> Tensor:
        """Indices of the images of one epoch in the order of training."""
        n = len(self.indices)
        order = self.indices[torch.randperm(n, device=self.device, generator=random)]
        kept = order[: max(1, round(n * (1 - self.recipe.dropped)))]
        if not self.recipe.refilled:
            return kept
        repeats = [
            kept[torch.randperm(len(kept), device=self.device, generator=random)]
            for _ in range(math.ceil(n / len(kept)) - 1)
        ]
        return torch.cat([kept, *repeats])[:n]

    def _augment(self, images: Tensor, random: torch.Generator) -> Tensor:
        if self.recipe.affine:
            images = images.float() / 255
            images = random_affine(
                images,
                random,
                scale=(0.8, 1.0),
                aspect=(0.9, 1.1),
                rotation=10,
                flip=self.recipe.flip,
                shift=0.05,
            )
            light = torch.rand(2, len(images), 1, 1, 1, device=self.device, generator=random)
            images = ((images - 0.5) * (0.7 + 0.6 * light[0]) + 0.5 + 0.3 * (light[1] - 0.5)).clamp(0, 1)
        else:
            images = shift_and_flip(images, self.recipe.shift, self.recipe.flip, random)
        self.views += len(images)
        if self.law.active(self.epoch, self.recipe.epochs):
            images, mask = self.law.erase(images, random)
            self.erase_map += mask.sum(0)
        return images.float() / 255 if images.dtype == torch.uint8 else images

    def _set_learning_rate(self, progress: float) -> None:
        warm = 0.15
        factor = progress / warm if progress < warm else 0.5 * (1 + math.cos(math.pi * (progress - warm) / (1 - warm)))
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * max(factor, 1e-3)

    def state_dict(self) -> dict:
        """All values that `load_state_dict` needs to resume after the last complete epoch."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "epoch": self.epoch,
            "erase_map": self.erase_map,
            "views": self.views,
        }

    def load_state_dict(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch, self.views = state["epoch"], state["views"]
        self.erase_map = state["erase_map"].to(self.device)

    @property
    def erased_share(self) -> Tensor:
        """Share of the training images so far, with repeats, in which each pixel was erased, (height, width)."""
        return self.erase_map / max(self.views, 1)


def batches_of(order: Tensor, size: int) -> list[Tensor]:
    """The indices in batches of `size`, of which the last may be smaller or, instead of a single image, larger by one:
    batch normalisation of 1x1 features cannot train on one image."""
    batches = list(order.split(size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    # no weight decay for norms and biases
    decayed = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": free, "weight_decay": 0.0}]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, device: torch.device, indices: Tensor | None = None) -> Tensor:
    """The model's logits of a batch of any size.

    Args:
        images: (n, channels, height, width), uint8 or float in [0, 1].
        device: where the model is. indices: int64, the images to take; by default all.

    Returns:
        Logits, float32 (images, classes), on the CPU.
    """
    model.eval()
    outputs = []
    for part in (torch.arange(len(images)) if indices is None else indices).split(comfortable_batch(device)):
        x = images[part.to(images.device)].to(device)
        x = (x.float() / 255 if x.dtype == torch.uint8 else x).contiguous(memory_format=torch.channels_last)
        with autocast(device):
            outputs.append(model(x).float().cpu())
    return torch.cat(outputs)
