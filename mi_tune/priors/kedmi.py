"""KED-MI's prior: a GAN whose discriminator also learns the target's soft labels of the public images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.nets import place
from mi_tune.nets.class_gan import ClassDiscriminator
from mi_tune.nets.gan import Generator
from mi_tune.priors.base import Prior
from mi_tune.priors.gan_training import FakeBatch, GanTraining, GanTrainingRecipe, RealBatch, squared_gradient
from mi_tune.runtime.device import autocast
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed


@dataclass(frozen=True)
class InversionGanRecipe(GanTrainingRecipe):
    """How KED-MI's GAN is trained.

    The paper: batch size 64, latent size 100, Adam at 2e-4 with decays (0.5, 0.999), 5 updates of the discriminator per
    step, 120 epochs of CelebA, and minibatch discrimination, a layer that compares the images of a batch. Here, for few
    images and one core: one update of the discriminator per step, larger learning rates, differentiable augmentation, a
    gradient penalty on real images, a moving average, no minibatch discrimination (the attack needs a score that
    depends on one image only), and the adversarial term below.

    Args:
        entropy: weight of the entropy of the discriminator's class probabilities for a fake, summed over the batch as
            in the public code.
        adversarial: weight of softplus(-LSE D(G(z))) in the generator's loss. The paper's is 0: feature matching only,
            with which the samples do not look like faces after few steps.
    """

    steps: int = 1200
    generator_rate: float = 6e-4
    discriminator_rate: float = 1.2e-3
    average: float = 0.995
    entropy: float = 1e-4
    adversarial: float = 1.0


class _LogRealism(nn.Module):
    """Log-probability that an image is real: log(Z / (Z + 1)), Z the sum of the exponentials of its class logits."""

    def __init__(self, discriminator: ClassDiscriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, images: Tensor) -> Tensor:
        with autocast(images.device):
            logits = self.discriminator(images).float()
        return F.logsigmoid(logits.logsumexp(1))


class InversionPrior(Prior):
    """Generator and class discriminator of KED-MI (Chen et al., ICCV 2021).

    Minus its `realism` is the paper's prior loss, softplus(LSE D(x)) - LSE D(x), in (0, inf).
    `config` holds the constructor's arguments, so that the prior can be stored as plain values and tensors.
    """

    name = "kedmi"
    realism: _LogRealism

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


def discriminator_loss(labelled: Tensor, soft_labels: Tensor, unlabelled: Tensor, fake: Tensor) -> Tensor:
    """Soft cross-entropy(D(x), f(x)) + 0.5 [softplus(LSE D(x_u)) - LSE D(x_u) + softplus(LSE D(G(z)))].

    Args:
        labelled, unlabelled, fake: the discriminator's logits (n, classes).
        soft_labels: the target's softmax of the labelled images, (n, classes).
    """
    supervised = -(soft_labels * labelled.log_softmax(1)).sum(1).mean()
    real_score, fake_score = unlabelled.logsumexp(1), fake.logsumexp(1)
    return supervised + 0.5 * (F.softplus(real_score).mean() - real_score.mean() + F.softplus(fake_score).mean())


def generator_loss(fake: Tensor, real: Tensor, logits: Tensor, entropy: float) -> Tensor:
    """Feature matching: the mean over features of |E phi(G(z)) - E phi(x_u)|, plus an entropy term.

    Args:
        fake, real: the discriminator's features (n, features) of fakes and of real images.
        logits: its class logits (n, classes) of the fakes.
        entropy: weight of the entropy of softmax D(G(z)), summed over the batch.
    """
    log_probability = logits.log_softmax(1)
    return (fake.mean(0) - real.mean(0)).abs().mean() - entropy * (log_probability.exp() * log_probability).sum()


class _InversionGanTraining(GanTraining[ClassDiscriminator, InversionGanRecipe]):
    def __init__(self, *arguments: Any, soft_labels: Tensor) -> None:
        super().__init__(*arguments)
        self.soft_labels = soft_labels

    def discriminator_loss(self, real: RealBatch, fake: FakeBatch) -> Tensor:
        n = len(real.images)
        images = self.augmented(real.images, self.draw_real().images, fake.images)
        labelled, unlabelled, generated = self.evaluate(self.discriminator, images).split(n)
        loss = discriminator_loss(labelled, self.soft_labels[real.rows], unlabelled, generated)
        if weight := self.penalty_weight:
            loss = loss + weight * squared_gradient(lambda x: self.discriminator(x).logsumexp(1), images[:n])
        return loss

    def generator_loss(self, fake: FakeBatch) -> Tensor:
        trunk = self.discriminator.trunk
        features = self.evaluate(trunk, self.augmented(fake.images))
        with torch.no_grad():
            real_features = self.evaluate(trunk, self.augmented(self.draw_real().images))
        logits = self.evaluate(self.discriminator.head, features)
        matching = generator_loss(features, real_features, logits, self.recipe.entropy)
        return matching + self.recipe.adversarial * F.softplus(-logits.logsumexp(1)).mean()


def train_inversion_gan(
    images: np.ndarray, soft_labels: Tensor, recipe: InversionGanRecipe, seed: int, device: torch.device
) -> InversionPrior:
    """Train KED-MI's GAN on public images and the target's soft labels of them.

    Args:
        images: uint8 (n, channels, resolution, resolution); mirror images are used too, with the same soft labels.
        soft_labels: the target's softmax of the images, (n, classes).

    The target is not queried here: the caller queries it once for every public image. The same seed gives the same
    weights. The state of the global random generator is kept.

    Raises:
        InputError: there is not one soft label per image.
        DivergedError: a loss is not finite.
    """
    if len(soft_labels) != len(images):
        raise InputError(f"{len(soft_labels)} soft labels for {len(images)} public images; give one row per image")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "gan weights"))
        prior = InversionPrior(recipe.latent_dim, soft_labels.shape[1], images.shape[1], images.shape[-1], recipe.width)
    prior = place(prior, device)
    shared = (images, prior.generator, prior.realism.discriminator, recipe, seed, device)
    _InversionGanTraining(*shared, soft_labels=soft_labels.to(device, torch.float32)).run()
    return prior.eval().requires_grad_(False)
