"""LOKT's prior: a class-conditional GAN that learns the target's classes from its hard labels alone.

Nguyen et al., "Label-Only Model Inversion Attacks via Knowledge Transfer" (NeurIPS 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mi_tune.nets.class_gan import AuxiliaryDiscriminator
from mi_tune.priors.conditional import ConditionalPrior, fresh_prior
from mi_tune.priors.game import Fake, Game, GameRecipe, Real, hinge, squared_gradient
from mi_tune.runtime.seeds import derive_seed

HardLabel = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TacGanRecipe(GameRecipe):
    """How LOKT's T-ACGAN is trained.

    The paper's own: batch size 128, Adam at 2e-4 with decays (0, 0.9), about 20,000 steps, residual nets. Ours, for
    few images and one core: the small nets of the DCGAN, smaller batches, fewer and larger steps, a gradient penalty
    on real images, differentiable augmentation of what is judged real or fake, and a moving average.

    Args:
        classifier: weight of the auxiliary classifier's loss in the generator's (the paper's alpha, 1.5).
        warm_up: share of the steps over which that weight rises from 0. The paper has none; but in few steps
            faces should take shape before the classifier bends them.
    """

    steps: int = 1200
    generator_rate: float = 6e-4
    discriminator_rate: float = 1.2e-3
    average: float = 0.995
    classifier: float = 1.5
    warm_up: float = 0.5


class _TacGame(Game):
    def __init__(self, *players: Any, hard_label: HardLabel) -> None:
        super().__init__(*players)
        self.hard_label = hard_label

    def discriminator_loss(self, real: Real, fake: Fake) -> Tensor:
        n = len(real.images)
        # the target's labels hold for the images it saw, so the classifier sees them as they are
        augmented = self.augmented(real.images, fake.images)
        seen = torch.cat([augmented, fake.images]).contiguous(memory_format=torch.channels_last)
        scores, logits = self.judge(seen)
        loss = hinge(scores[:n], scores[n : 2 * n]) + F.cross_entropy(logits[2 * n :], self.hard_label(fake.images))
        if weight := self.penalty_weight:
            loss = loss + weight * squared_gradient(lambda x: self.critic(x)[0], augmented[:n])
        return loss

    def generator_loss(self, fake: Fake) -> Tensor:
        n = len(fake.images)
        seen = torch.cat([self.augmented(fake.images), fake.images]).contiguous(memory_format=torch.channels_last)
        scores, logits = self.judge(seen)
        weight = self.recipe.classifier * self.ramp(self.recipe.warm_up)
        return weight * F.cross_entropy(logits[n:], fake.labels) - scores[:n].mean()

    def judge(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.ask(self.critic.trunk, images)
        return self.critic.head(features)[:, 0], self.critic.classifier(features)


def train_tacgan(
    images: np.ndarray,
    hard_label: HardLabel,
    classes: int,
    recipe: TacGanRecipe,
    seed: int,
    device: torch.device,
) -> ConditionalPrior:
    """Train on unlabelled public images, uint8 (n, channels, resolution, resolution), and their mirror images.

    Args:
        hard_label: the target's top-1 label, int64 (n,) in [0, classes), of images in [0, 1], without gradients.
            Asked about every fake that the discriminator learns from, and about nothing else:
            recipe.steps * recipe.critic_updates * recipe.batch_size images in all.

    The same seed gives the same weights; the global random stream is left as it was.

    Raises:
        DivergedError: a loss is not finite.
    """
    prior = fresh_prior(images, classes, recipe, seed).to(device, memory_format=torch.channels_last)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "discriminator weights"))
        critic = AuxiliaryDiscriminator(images.shape[1], images.shape[-1], recipe.width, classes)
    critic = critic.to(device, memory_format=torch.channels_last)
    players = (images, prior.generator, critic, recipe, seed, device, classes)
    _TacGame(*players, hard_label=hard_label).play()
    return prior.eval().requires_grad_(False)
