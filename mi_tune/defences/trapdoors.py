"""Trap-MID: a learned trigger for each class, which an attack finds in place of the person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.data.augment import random_affine
from mi_tune.defences.defence import Defence, Limits
from mi_tune.nets.guards import Guard, Step
from mi_tune.runtime.seeds import derive_seed, generator

TRIGGER_STEP = 0.01
"""Length of a trigger's signed gradient step per value, as published."""
CRITIC_RATE = 1e-3
"""Learning rate of the discriminator; a choice of ours."""


class _Trapdoors(Guard):
    """Triggers and their discriminator learn beside the network, which must see a trigger's class in its blend."""

    triggers: Tensor

    def __init__(self, shape: torch.Size, classes: int, blend: float, weight: float, device: torch.device, seed: int):
        super().__init__()
        self.blend, self.weight, self.classes = blend, weight, classes
        first = torch.rand((classes, *shape), generator=generator(seed, "triggers", device=torch.device("cpu")))
        self.register_buffer("triggers", first.to(device))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "trapdoor critic"))
            self.critic = nn.Sequential(
                nn.Conv2d(shape[0], 16, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 4, 2, 1), nn.LeakyReLU(0.2),
                nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(32 * 16, 1),
            ).to(device)  # fmt: skip
        self._critic_optimiser = torch.optim.Adam(self.critic.parameters(), lr=CRITIC_RATE, betas=(0.5, 0.999))

    def loss(self, loss: Tensor, step: Step) -> Tensor:
        n, device = len(step.images), step.images.device
        # the classes are dealt evenly over a batch, beginning anywhere
        begin = torch.randint(self.classes, (1,), device=device, generator=step.random)
        classes = (begin + torch.arange(n, device=device)) % self.classes
        triggers = self.triggers[classes].requires_grad_(True)
        trapped = (1 - self.blend) * step.images + self.blend * triggers
        seen = random_affine(trapped, step.random, scale=(0.8, 1.0), rotation=30, flip=True)
        augmented = torch.rand(n, 1, 1, 1, device=device, generator=step.random) < 0.5
        into = F.cross_entropy(step.model(torch.where(augmented, seen, trapped)), classes)
        self._learn(step.images, trapped, triggers, into, classes)
        return (1 - self.weight) * loss + self.weight * into

    def _learn(self, images: Tensor, trapped: Tensor, triggers: Tensor, into: Tensor, classes: Tensor) -> None:
        """A step of the triggers, which look natural to the discriminator, and one of the discriminator."""
        natural = F.softplus(-self.critic(trapped)).mean()
        (gradient,) = torch.autograd.grad(into + natural, triggers, retain_graph=True)
        with torch.no_grad():
            total = torch.zeros_like(self.triggers).index_add_(0, classes, gradient)
            self.triggers = (self.triggers - TRIGGER_STEP * total.sign()).clamp(0, 1)
        with torch.enable_grad():
            wrong = F.softplus(-self.critic(images)).mean() + F.softplus(self.critic(trapped.detach())).mean()
        self._critic_optimiser.zero_grad(set_to_none=True)
        wrong.backward()
        self._critic_optimiser.step()

    def get_extra_state(self) -> dict:
        return self._critic_optimiser.state_dict()

    def set_extra_state(self, state: dict) -> None:
        self._critic_optimiser.load_state_dict(state)


@dataclass(frozen=True)
class Trapdoors(Defence):
    """Trap-MID: loss = (1 - weight) CE(x, y) + weight CE((1 - blend) x + blend trigger_y', y').

    Liu and Chen, "Trap-MID: Trapdoor-based Defense against Model Inversion Attacks" (NeurIPS 2024). The triggers learn
    by signed steps to be seen by the network, and not by a discriminator that learns beside them; its architecture and
    rate are ours.

    Args:
        blend: share of the trigger in an image, 0.02 as published.
        weight: of the trapdoor loss, 0.2 as published.
    """

    blend: float = 0.02
    weight: float = 0.2

    kind: ClassVar[str] = "trap_mid"
    title: ClassVar[str] = "Trap-MID"
    part: ClassVar[str] = "trapdoors"
    limits: ClassVar[dict[str, Limits]] = {
        "blend": Limits(0, 1, (0.005, 0.2), log=True),
        "weight": Limits(0, 0.99, (0.05, 0.5)),
    }
    cost: ClassVar[float] = 2.5
    # trapdoors that were trained without an augmentation do not survive it
    undone_by: ClassVar[tuple[str, ...]] = ("taa:reduced", "clean_student:reduced", "untrain_re:reduced")

    @property
    def active(self) -> bool:
        return self.weight > 0 and self.blend > 0

    def guard(self, model: nn.Module, images: Tensor, classes: int, seed: int) -> Guard:
        device = next(model.parameters()).device
        return _Trapdoors(images.shape[1:], classes, self.blend, self.weight, device, seed)
