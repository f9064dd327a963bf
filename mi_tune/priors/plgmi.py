"""PLG-MI's prior: a class-conditional GAN, trained on public images with pseudo-labels from the target.

Yuan et al., "Pseudo Label-Guided Model Inversion Attack via Conditional GAN" (AAAI 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mi_tune.data.augment import random_affine
from mi_tune.nets import place
from mi_tune.nets.class_gan import ProjectionDiscriminator
from mi_tune.priors.conditional import ConditionalPrior, untrained_prior
from mi_tune.priors.gan_training import (
    FakeBatch,
    GanTraining,
    GanTrainingRecipe,
    RealBatch,
    hinge,
    squared_gradient,
)
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed

InversionLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PseudoLabelGanRecipe(GanTrainingRecipe):
    """How PLG-MI's GAN is trained.

    The paper: residual networks with spectral norm, batch size 64, latent size 128, Adam at 2e-4 with decays (0, 0.9),
    5 updates of the discriminator per step, 30,000 steps. Here, for few images and one core: the small networks of the
    DCGAN, one update of the discriminator per step, larger learning rates, a gradient penalty on real images instead of
    the spectral norm, differentiable augmentation of all images that the discriminator sees, and a moving average.

    Args:
        inversion: weight of the target's loss on a fake (the paper's 0.2).
        warm_up: share of the steps over which that weight rises from 0. The paper has no warm-up; with few steps the
            generator should first learn faces before the target's loss changes them.
    """

    steps: int = 1200
    generator_rate: float = 6e-4
    discriminator_rate: float = 1.2e-3
    average: float = 0.995
    inversion: float = 0.2
    warm_up: float = 0.5


def pseudo_labels(confidence: Tensor, per_class: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Top-n selection: for each of the target's classes, the public images with the highest confidence.

    Args:
        confidence: the target's softmax (n, classes) of the public images.
        per_class: images per class, at most n. An image can be selected for several classes, as in the paper's code.

    Returns:
        Indices of the public images and their labels, both int64 (classes * min(per_class, n),), class by class, by
        falling confidence; of equal ones the first comes first.
    """
    n, classes = confidence.shape
    kept = min(per_class, n)
    order = confidence.sort(dim=0, descending=True, stable=True).indices[:kept]
    return order.T.flatten().cpu().numpy(), np.arange(classes, dtype=np.int64).repeat(kept)


def target_view(images: Tensor, random: torch.Generator) -> Tensor:
    """PLG-MI's random views of fakes for the target, in [0, 1].

    A crop of 80 to 100 % of the area, rotation by up to 5 degrees, half of them mirrored, brightness and contrast
    changed by up to 20 %.
    """
    images = random_affine(images, random, scale=(0.8, 1.0), rotation=5, flip=True)
    u = 0.8 + 0.4 * torch.rand(2, len(images), 1, 1, 1, device=images.device, generator=random)
    images = images * u[0]
    mean = images.mean((1, 2, 3), keepdim=True)
    return (mean + (images - mean) * u[1]).clamp(0, 1)


class _PseudoLabelGanTraining(GanTraining[ProjectionDiscriminator, PseudoLabelGanRecipe]):
    def __init__(self, *arguments: Any, labels: Tensor, inversion_loss: InversionLoss) -> None:
        super().__init__(*arguments)
        self.labels, self.inversion_loss = labels, inversion_loss

    def discriminator_loss(self, real: RealBatch, fake: FakeBatch) -> Tensor:
        assert fake.labels is not None  # the training has classes
        both, n = self.augmented(real.images, fake.images), len(real.images)
        labels = self.labels[real.rows]
        scores = self.evaluate(self.discriminator, both, torch.cat([labels, fake.labels]))
        loss = hinge(scores[:n], scores[n:])
        if weight := self.penalty_weight:
            loss = loss + weight * squared_gradient(lambda x: self.discriminator(x, labels), both[:n])
        return loss

    def generator_loss(self, fake: FakeBatch) -> Tensor:
        assert fake.labels is not None  # the training has classes
        # only the target sees these views: the discriminator must not take crops and rotations for real
        inversion = self.inversion_loss(target_view(fake.images, self.random), fake.labels).mean()
        score = self.evaluate(self.discriminator, self.augmented(fake.images), fake.labels).mean()
        return self.recipe.inversion * self.ramp(self.recipe.warm_up) * inversion - score


def train_pseudo_label_gan(
    images: np.ndarray,
    labels: np.ndarray,
    classes: int,
    inversion_loss: InversionLoss,
    recipe: PseudoLabelGanRecipe,
    seed: int,
    device: torch.device,
) -> ConditionalPrior:
    """Train PLG-MI's GAN on public images with pseudo-labels (see `pseudo_labels`).

    Args:
        images: uint8 (n, channels, resolution, resolution); mirror images are used too.
        labels: int64 (n,) in [0, classes).
        inversion_loss: the target's loss (n,) of images in [0, 1] and labels (n,), differentiable in the images (the
            paper's is the max-margin loss). It is called once per step, with recipe.steps * recipe.batch_size images in
            all, forward and backward.

    The same seed gives the same weights. The state of the global random generator is kept.

    Raises:
        InputError: there is not one label in [0, classes) per image.
        DivergedError: a loss is not finite.
    """
    if len(labels) != len(images) or labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"give one label below {classes} for each of the {len(images)} public images")
    prior = place(untrained_prior(images, classes, recipe, seed), device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "discriminator weights"))
        discriminator = ProjectionDiscriminator(images.shape[1], images.shape[-1], recipe.width, classes)
    shared = (images, prior.generator, place(discriminator, device), recipe, seed, device, classes)
    known = torch.from_numpy(labels).to(device)
    _PseudoLabelGanTraining(*shared, labels=known, inversion_loss=inversion_loss).run()
    return prior.eval().requires_grad_(False)
