"""PLG-MI's prior: a class-conditional GAN of public images that the target itself has sorted.

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
from mi_tune.nets.class_gan import ProjectionDiscriminator
from mi_tune.priors.conditional import ConditionalPrior, fresh_prior
from mi_tune.priors.game import Fake, Game, GameRecipe, Real, hinge, squared_gradient
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed

InversionLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PseudoLabelGanRecipe(GameRecipe):
    """How PLG-MI's GAN is trained.

    The paper's own: residual nets with spectral norm, batch size 64, latent size 128, Adam at 2e-4 with decays
    (0, 0.9), 5 updates of the discriminator a step, 30,000 steps. Ours, for few images and one core: the small nets
    of the DCGAN, one update of the discriminator a step, larger rates, a gradient penalty on real images instead of
    the spectral norm, differentiable augmentation of all that the discriminator sees, and a moving average.

    Args:
        inversion: weight of the target's loss on a fake (the paper's 0.2).
        warm_up: share of the steps over which that weight rises from 0. The paper has none; but in few steps
            faces should take shape before the target's loss bends them.
    """

    steps: int = 1200
    generator_rate: float = 6e-4
    discriminator_rate: float = 1.2e-3
    average: float = 0.995
    inversion: float = 0.2
    warm_up: float = 0.5


def pseudo_labels(confidence: Tensor, per_class: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """The public images that the target takes most for each of its classes.

    Args:
        confidence: the target's softmax (n, classes) of the public images.
        per_class: images of a class, at most n. An image may stand for several classes, as in the paper's code.

    Returns:
        Rows among the public images and their labels, both int64 (classes * min(per_class, n),), class by class, the
        surest first; of equally sure ones the first.
    """
    n, classes = confidence.shape
    kept = min(per_class, n)
    order = confidence.sort(dim=0, descending=True, stable=True).indices[:kept]
    return order.T.flatten().cpu().numpy(), np.arange(classes, dtype=np.int64).repeat(kept)


def target_view(images: Tensor, random: torch.Generator) -> Tensor:
    """What PLG-MI shows the target, in [0, 1]: a crop of 80 to 100 %, turned by up to 5 degrees, half mirrored, with
    brightness and contrast changed by up to 20 %."""
    images = random_affine(images, random, scale=(0.8, 1.0), rotation=5, flip=True)
    u = 0.8 + 0.4 * torch.rand(2, len(images), 1, 1, 1, device=images.device, generator=random)
    images = images * u[0]
    mean = images.mean((1, 2, 3), keepdim=True)
    return (mean + (images - mean) * u[1]).clamp(0, 1)


class _PseudoLabelGame(Game):
    def __init__(self, *players: Any, labels: Tensor, inversion_loss: InversionLoss) -> None:
        super().__init__(*players)
        self.labels, self.inversion_loss = labels, inversion_loss

    def discriminator_loss(self, real: Real, fake: Fake) -> Tensor:
        seen, n = self.augmented(real.images, fake.images), len(real.images)
        labels = self.labels[real.rows]
        scores = self.ask(self.critic, seen, torch.cat([labels, fake.labels]))
        loss = hinge(scores[:n], scores[n:])
        if weight := self.penalty_weight:
            loss = loss + weight * squared_gradient(lambda x: self.critic(x, labels), seen[:n])
        return loss

    def generator_loss(self, fake: Fake) -> Tensor:
        # the target's view is its own: the discriminator must not learn crops and turns as real
        inversion = self.inversion_loss(target_view(fake.images, self.random), fake.labels).mean()
        score = self.ask(self.critic, self.augmented(fake.images), fake.labels).mean()
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
    """Train on public images with pseudo-labels (see `pseudo_labels`), and their mirror images.

    Args:
        images: uint8 (n, channels, resolution, resolution); labels: int64 (n,) in [0, classes).
        inversion_loss: the target's loss (n,) of images in [0, 1] and labels (n,), differentiable in the images (the
            paper's is the max-margin loss). Called once a step: with recipe.steps * recipe.batch_size images in all,
            forwards and backwards.

    The same seed gives the same weights; the global random stream is left as it was.

    Raises:
        InputError: there is not one label of a class per image. DivergedError: a loss is not finite.
    """
    if len(labels) != len(images) or labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"give one label below {classes} for each of the {len(images)} public images")
    prior = fresh_prior(images, classes, recipe, seed).to(device, memory_format=torch.channels_last)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "discriminator weights"))
        critic = ProjectionDiscriminator(images.shape[1], images.shape[-1], recipe.width, classes)
    critic = critic.to(device, memory_format=torch.channels_last)
    players = (images, prior.generator, critic, recipe, seed, device, classes)
    known = torch.from_numpy(labels).to(device)
    _PseudoLabelGame(*players, labels=known, inversion_loss=inversion_loss).play()
    return prior.eval().requires_grad_(False)
