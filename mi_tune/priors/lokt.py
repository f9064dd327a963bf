"""LOKT's prior: a class-conditional GAN that learns the target's classes from its hard labels only.

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

from mi_tune.nets import place
from mi_tune.nets.class_gan import AuxiliaryDiscriminator
from mi_tune.priors.conditional import ConditionalPrior, untrained_prior
from mi_tune.priors.gan_training import (
    FakeBatch,
    GanTraining,
    GanTrainingRecipe,
    RealBatch,
    hinge,
    squared_gradient,
)
from mi_tune.runtime.seeds import derive_seed

HardLabel = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TacGanRecipe(GanTrainingRecipe):
    """How LOKT's T-ACGAN is trained.

    The paper: batch size 128, Adam at 2e-4 with decays (0, 0.9), about 20,000 steps, residual networks. Here, for few
    images and one core: the small networks of the DCGAN, smaller batches, fewer and larger steps, a gradient penalty on
    real images, differentiable augmentation of the images that get a real-or-fake score, and a moving average.

    Args:
        classifier: weight of the auxiliary classifier's loss in the generator's loss (the paper's alpha, 1.5).
        warm_up: share of the steps over which that weight rises from 0. The paper has no warm-up; with few steps the
            generator should first learn faces before the classifier's loss changes them.
    """

    steps: int = 1200
    generator_rate: float = 6e-4
    discriminator_rate: float = 1.2e-3
    average: float = 0.995
    classifier: float = 1.5
    warm_up: float = 0.5


class _TacGanTraining(GanTraining[AuxiliaryDiscriminator, TacGanRecipe]):
    def __init__(self, *arguments: Any, hard_label: HardLabel) -> None:
        super().__init__(*arguments)
        self.hard_label = hard_label

    def discriminator_loss(self, real: RealBatch, fake: FakeBatch) -> Tensor:
        n = len(real.images)
        # the target labels the fakes without augmentation, so the classifier learns from them without it
        augmented = self.augmented(real.images, fake.images)
        images = torch.cat([augmented, fake.images]).contiguous(memory_format=torch.channels_last)
        scores, logits = self._scores_and_logits(images)
        loss = hinge(scores[:n], scores[n : 2 * n]) + F.cross_entropy(logits[2 * n :], self.hard_label(fake.images))
        if weight := self.penalty_weight:
            loss = loss + weight * squared_gradient(lambda x: self.discriminator(x)[0], augmented[:n])
        return loss

    def generator_loss(self, fake: FakeBatch) -> Tensor:
        assert fake.labels is not None  # the training has classes
        n = len(fake.images)
        images = torch.cat([self.augmented(fake.images), fake.images]).contiguous(memory_format=torch.channels_last)
        scores, logits = self._scores_and_logits(images)
        weight = self.recipe.classifier * self.ramp(self.recipe.warm_up)
        return weight * F.cross_entropy(logits[n:], fake.labels) - scores[:n].mean()

    def _scores_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.evaluate(self.discriminator.trunk, images)
        return self.discriminator.head(features)[:, 0], self.discriminator.classifier(features)


def train_tacgan(
    images: np.ndarray,
    hard_label: HardLabel,
    classes: int,
    recipe: TacGanRecipe,
    seed: int,
    device: torch.device,
) -> ConditionalPrior:
    """Train LOKT's T-ACGAN on unlabelled public images.

    Args:
        images: uint8 (n, channels, resolution, resolution); mirror images are used too.
        hard_label: the target's top-1 label, int64 (n,) in [0, classes), of images in [0, 1], without gradients. It is
            queried for the fakes that the discriminator learns from and for no other image: recipe.steps *
            recipe.critic_updates * recipe.batch_size images in all.

    The same seed gives the same weights. The state of the global random generator is kept.

    Raises:
        DivergedError: a loss is not finite.
    """
    prior = place(untrained_prior(images, classes, recipe, seed), device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "discriminator weights"))
        discriminator = AuxiliaryDiscriminator(images.shape[1], images.shape[-1], recipe.width, classes)
    shared = (images, prior.generator, place(discriminator, device), recipe, seed, device, classes)
    _TacGanTraining(*shared, hard_label=hard_label).run()
    return prior.eval().requires_grad_(False)
