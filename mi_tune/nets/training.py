"""One resumable training loop for all classifiers.

Images stay on the device as one uint8 tensor, and a batch is an index into it. Every epoch has its own random stream,
seeded by name, so a run that stops after any epoch and resumes gives the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.data.augment import colour_jitter, random_affine, shift_and_flip
from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.nets import place
from mi_tune.nets.averaging import MovingAverage
from mi_tune.nets.guards import Guard, Step
from mi_tune.nets.schedules import Schedule, learning_rate_factor
from mi_tune.runtime.device import autocast, comfortable_batch, fetched, home_of
from mi_tune.runtime.errors import DivergedError, InputError
from mi_tune.runtime.imported import one_line
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
        optimiser: `adamw`, `adam`, or `sgd` with Nesterov momentum 0.9.
        learning_rate: the peak of the schedule.
        weight_decay: decoupled for AdamW, L2 for Adam and SGD.
        schedule, warm_up, milestones, step_factor: of the learning rate, see `learning_rate_factor`.
        shift: largest random translation in pixels, along both axes.
        flip: mirror half of the images.
        crop: range of the area of a random crop as a share of the image, which is resized to the image's size; None for
            no crop, and then `shift` is used. crop_aspect: range of its width / height.
        colour_jitter: strengths of random brightness, contrast, saturation and hue, as in torchvision.
        affine: random rotation, zoom and brightness (the judge's augmentation) instead of `shift`.
        dropped: share of the training images left out of each epoch, drawn again every epoch, in [0, 1).
        refilled: whether the kept images are repeated until the epoch is as long as without `dropped`.
        ema: decay of the moving average of the weights, which is the trained network then; None for no average.
        compile: whether `torch.compile` compiles the steps, which takes a minute first.
        own: name and code of the user's own loop that trains instead of this one (`nets.trainers`); "" for none.
    """

    epochs: int = 60
    batch_size: int = 32
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    schedule: Schedule = "one_cycle"
    warm_up: float | None = None
    milestones: tuple[float, ...] = ()
    step_factor: float = 0.1
    shift: int = 2
    flip: bool = True
    crop: tuple[float, float] | None = None
    crop_aspect: tuple[float, float] = (3 / 4, 4 / 3)
    colour_jitter: tuple[float, float, float, float] | None = None
    affine: bool = False
    dropped: float = 0.0
    refilled: bool = False
    ema: float | None = None
    compile: bool = False
    own: str = ""


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
        guards: what other defences do while the model trains; they change the loss one after the other.

    Attributes:
        parts: in how many parts a batch is computed: more than one where it did not fit into the GPU's memory.
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
        guards: Sequence[Guard] = (),
    ) -> None:
        self.model = place(model, device)
        self.images, self.labels, self.indices = home_of(images, device), labels.to(device), indices.to(device)
        self.recipe, self.seed, self.device, self.law, self.control = recipe, seed, device, law, control
        if control is not None and control.mixes_labels and labels.ndim == 1:
            self.labels = F.one_hot(self.labels).float()
        self.epoch = 0
        self.parts = 1
        self.erase_map = torch.zeros(images.shape[2:], device=device)
        self.views = 0
        self.optimiser = _optimiser(model, recipe)
        self.guards = nn.ModuleList(guards).to(device)
        for guard in self._guards:
            self.optimiser = guard.start(self.optimiser)
        self.average = MovingAverage(self.model, recipe.ema) if recipe.ema is not None else None
        self._forward = compiled(self.model) if recipe.compile else self.model

    @property
    def _guards(self) -> list[Guard]:
        return [guard for guard in self.guards if isinstance(guard, Guard)]

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
        if self.average is not None:
            self.average.swap()  # between epochs the network is the average
        for step, batch in enumerate(batches):
            progress = (self.epoch * steps + step) / (self.recipe.epochs * steps)
            self._set_learning_rate(progress)
            images, labels = self._augment(fetched(self.images, batch, self.device), random), self.labels[batch]
            if self.control is not None:
                images, labels = self.control(images, labels, random)
            images = images.contiguous(memory_format=torch.channels_last)
            self.model.train()
            losses += self._gradients(images, labels, progress, random) * len(batch)
            self.optimiser.step()
            for guard in self._guards:
                guard.end()
            if self.average is not None:
                self.average.update()
        if self.average is not None:
            self.average.swap()
        self.epoch += 1
        mean = float(losses / n)
        if not math.isfinite(mean):
            raise DivergedError(
                f"training diverged: the loss is {mean} in epoch {self.epoch}; lower target.learning_rate"
            )
        return mean

    def _gradients(self, images: Tensor, labels: Tensor, progress: float, random: torch.Generator) -> Tensor:
        """Set the gradients of one batch's loss, and return the loss.

        A batch that does not fit the GPU's memory is computed in twice as many `parts`, whose gradients add up to the
        whole batch's but for batch norms, which then see a part at a time. Other defences look at whole batches; with
        them it is not halved.
        """
        while True:
            try:
                return self._in_parts(images, labels, progress, random, min(self.parts, max(1, len(images) // 2)))
            except torch.OutOfMemoryError:
                if self._guards or 2 * self.parts > len(images) // 2:
                    raise
            self.parts *= 2
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _in_parts(self, images: Tensor, labels: Tensor, progress: float, random: torch.Generator, parts: int) -> Tensor:
        total = torch.zeros((), device=self.device)
        for number, (x, y) in enumerate(zip(images.tensor_split(parts), labels.tensor_split(parts), strict=True)):
            for guard in self._guards:
                guard.before(x, random)
            with autocast(self.device):
                logits = self._forward(x)
                for guard in self._guards:
                    guard.after()
                loss = F.cross_entropy(logits, y)
                for guard in self._guards:
                    loss = guard.loss(loss, Step(self.model, x, y, logits, progress, random))
            if number == 0:
                self.optimiser.zero_grad(set_to_none=True)
            if parts > 1:
                loss = loss * (len(x) / len(images))
            loss.backward()
            total += loss.detach()
        return total

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
        elif self.recipe.crop is not None:
            images = random_affine(
                images.float() / 255, random, self.recipe.crop, self.recipe.crop_aspect, flip=self.recipe.flip
            )
        else:
            images = shift_and_flip(images, self.recipe.shift, self.recipe.flip, random)
        if self.recipe.colour_jitter is not None:
            images = colour_jitter(images, random, *self.recipe.colour_jitter)
        self.views += len(images)
        if self.law.active(self.epoch, self.recipe.epochs):
            images, mask = self.law.erase(images, random)
            self.erase_map += mask.sum(0)
        return images.float() / 255 if images.dtype == torch.uint8 else images

    def _set_learning_rate(self, progress: float) -> None:
        recipe = self.recipe
        factor = learning_rate_factor(recipe.schedule, progress, recipe.warm_up, recipe.milestones, recipe.step_factor)
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.learning_rate * max(factor, 1e-3)

    def state_dict(self) -> dict:
        """All values that `load_state_dict` needs to resume after the last complete epoch."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "epoch": self.epoch,
            "erase_map": self.erase_map,
            "views": self.views,
            "guards": self.guards.state_dict(),
            "average": self.average.state_dict() if self.average is not None else {},
            "parts": self.parts,
        }

    def load_state_dict(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch, self.views, self.parts = state["epoch"], state["views"], state.get("parts", 1)
        self.erase_map = state["erase_map"].to(self.device)
        self.guards.load_state_dict(state.get("guards", {}))
        if self.average is not None:
            self.average.load_state_dict(state["average"])

    @property
    def erased_share(self) -> Tensor:
        """Share of the training images so far, with repeats, in which each pixel was erased, (height, width)."""
        return self.erase_map / max(self.views, 1)


def compiled(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """The model's forward pass by `torch.compile`. It raises InputError when it is called where that is impossible."""
    forward = torch.compile(model)

    def call(images: Tensor) -> Tensor:
        try:
            return forward(images)
        except torch._dynamo.exc.TorchDynamoException as error:
            raise InputError(f"torch.compile fails here ({one_line(error)}); leave out --compile") from error

    return call


def batches_of(order: Tensor, size: int) -> list[Tensor]:
    """The indices in batches of `size`, of which the last may be smaller or, instead of a single image, larger by one:
    batch normalisation of 1x1 features cannot train on one image."""
    batches = list(order.split(size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    # no weight decay for norms and biases
    learning = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in learning if p.ndim > 1]
    free = [p for p in learning if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": free, "weight_decay": 0.0}]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True)
    if recipe.optimiser == "adam":
        return torch.optim.Adam(groups, lr=recipe.learning_rate, fused=True)
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
