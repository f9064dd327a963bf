"""KED-MI's prior: a GAN whose discriminator also learns the target's answers to the public images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.nets.class_gan import ClassDiscriminator
from mi_tune.nets.gan import Generator
from mi_tune.priors.base import Prior
from mi_tune.priors.game import Fake, Game, GameRecipe, Real, squared_gradient
from mi_tune.runtime.device import autocast
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed


@dataclass(frozen=True)
class InversionGanRecipe(GameRecipe):
    """How KED-MI's GAN is trained.

    The paper's own: batch size 64, latent size 100, Adam at 2e-4 with decays (0.5, 0.999), 5 updates of the
    discriminator a step, 120 epochs of CelebA, a layer that compares the images of a batch (minibatch
    discrimination). Ours, for few images and one core: one update of the discriminator a step, larger rates,
    differentiable augmentation, a gradient penalty on real images, a moving average, no minibatch layer (the attack
    wants the score of each image by itself), and the adversarial term below.

    Args:
        entropy: weight of the entropy of the discriminator's answer to a fake, summed over the batch as in the
            public code.
        adversarial: weight of softplus(-LSE D(G(z))) in the generator's loss. The paper's is 0: feature matching
            alone, which in few steps leaves the samples unlike faces.
    """

    steps: int = 1200
    generator_rate: float = 6e-4
    discriminator_rate: float = 1.2e-3
    average: float = 0.995
    entropy: float = 1e-4
    adversarial: float = 1.0


class _LogRealism(nn.Module):
    """log(Z / (Z + 1)), Z the sum of the exponentials of the class logits: how likely the image is a real one."""

    def __init__(self, discriminator: ClassDiscriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, images: Tensor) -> Tensor:
        with autocast(images.device):
            logits = self.discriminator(images).float()
        return F.logsigmoid(logits.logsumexp(1))


class InversionPrior(Prior):
    """Generator and class discriminator of KED-MI (Chen et al., ICCV 2021).

    Minus its realism is the paper's prior loss, softplus(LSE D(x)) - LSE D(x), in (0, inf).
    `config` holds the constructor's arguments, so that the prior can be stored as plain values and tensors.
    """

    name = "kedmi"

    def __init__(self, latent_dim: int, classes: int, channels: int, resolution: int, width: int) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "latent_dim": latent_dim,
            "classes": classes,
            "channels": channels,
            "resolution": resolution,
            "width": width,
        }
        self.latent_dim, self.channels, self.resolution = latent_dim, channels, resolution
        self.generator = Generator(latent_dim, channels, resolution, width)
        self.realism = _LogRealism(ClassDiscriminator(channels, resolution, width, classes))

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        with autocast(latents.device):
            return self.generator(latents)


def discriminator_loss(labelled: Tensor, answers: Tensor, unlabelled: Tensor, fake: Tensor) -> Tensor:
    """Soft cross-entropy(D(x), f(x)) + 0.5 [softplus(LSE D(x_u)) - LSE D(x_u) + softplus(LSE D(G(z)))].

    labelled, unlabelled, fake: the discriminator's logits (n, classes); answers: the target's softmax (n, classes).
    """
    learnt = -(answers * labelled.log_softmax(1)).sum(1).mean()
    real, made = unlabelled.logsumexp(1), fake.logsumexp(1)
    return learnt + 0.5 * (F.softplus(real).mean() - real.mean() + F.softplus(made).mean())


def generator_loss(made: Tensor, wanted: Tensor, logits: Tensor, entropy: float) -> Tensor:
    """Mean over features of |E phi(G(z)) - E phi(x_u)|, plus `entropy` times the summed entropy of softmax D(G(z)).

    made, wanted: the discriminator's features (n, features) of fakes and of real images; logits (n, classes): its
    answers to the fakes.
    """
    share = logits.log_softmax(1)
    return (made.mean(0) - wanted.mean(0)).abs().mean() - entropy * (share.exp() * share).sum()


class _InversionGame(Game):
    def __init__(self, *players: Any, answers: Tensor) -> None:
        super().__init__(*players)
        self.answers = answers

    def discriminator_loss(self, real: Real, fake: Fake) -> Tensor:
        n = len(real.images)
        seen = self.augmented(real.images, self.draw_real().images, fake.images)
        labelled, unlabelled, made = self.ask(self.critic, seen).split(n)
        loss = discriminator_loss(labelled, self.answers[real.rows], unlabelled, made)
        if weight := self.penalty_weight:
            loss = loss + weight * squared_gradient(lambda x: self.critic(x).logsumexp(1), seen[:n])
        return loss

    def generator_loss(self, fake: Fake) -> Tensor:
        features = self.ask(self.critic.trunk, self.augmented(fake.images))
        with torch.no_grad():
            wanted = self.ask(self.critic.trunk, self.augmented(self.draw_real().images))
        logits = self.ask(self.critic.head, features)
        matching = generator_loss(features, wanted, logits, self.recipe.entropy)
        return matching + self.recipe.adversarial * F.softplus(-logits.logsumexp(1)).mean()


def train_inversion_gan(
    images: np.ndarray, soft_labels: Tensor, recipe: InversionGanRecipe, seed: int, device: torch.device
) -> InversionPrior:
    """Train on public images, uint8 (n, channels, resolution, resolution), and the target's softmax (n, classes).

    The target itself is not asked: the caller asks it once about every public image. Mirror images are taken to have
    the same softmax. The same seed gives the same weights; the global random stream is left as it was.

    Raises:
        InputError: there is not one softmax per image. DivergedError: a loss is not finite.
    """
    if len(soft_labels) != len(images):
        raise InputError(f"{len(soft_labels)} soft labels for {len(images)} public images; give one row per image")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "gan weights"))
        prior = InversionPrior(recipe.latent_dim, soft_labels.shape[1], images.shape[1], images.shape[-1], recipe.width)
    prior = prior.to(device, memory_format=torch.channels_last)
    answers = soft_labels.to(device, torch.float32)
    players = (images, prior.generator, prior.realism.discriminator, recipe, seed, device)
    _InversionGame(*players, answers=answers).play()
    return prior.eval().requires_grad_(False)
