"""The DCGAN prior: a small convolutional GAN, trained on the public images only, with one of two losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.nets import place
from mi_tune.nets.gan import Discriminator, Generator
from mi_tune.priors.base import Prior
from mi_tune.priors.gan_training import FakeBatch, GanTraining, GanTrainingRecipe, RealBatch, squared_gradient
from mi_tune.runtime.device import autocast
from mi_tune.runtime.seeds import derive_seed

Loss = Literal["logistic", "wgan-gp"]


@dataclass(frozen=True)
class GanRecipe(GanTrainingRecipe):
    """How the DCGAN is trained.

    Args:
        loss: `logistic`, the non-saturating GAN loss with a zero-centred gradient penalty on real images (Mescheder et
            al., ICML 2018) in every few updates (Karras et al., CVPR 2020); or `wgan-gp` (Gulrajani et al., NeurIPS
            2017), see `wgan_recipe`.
    """

    loss: Loss = "logistic"


def wgan_recipe() -> GanRecipe:
    """The recipe for GMI's prior (Zhang et al., CVPR 2020): WGAN-GP with penalty 10.

    The paper: 5 updates of the critic per step with the penalty in each, batch size 64, latent size 100, Adam at 2e-4
    with decays (0.5, 0.999), 280 epochs of CelebA. Here, for few images and one core: 2 updates of the critic per step,
    with the penalty twice as strong in every second update (in the same time the samples come nearer to the public
    faces than with 5), smaller batches, fewer and larger steps, differentiable augmentation, a moving average, and the
    latent size and networks of the DCGAN.
    """
    return GanRecipe(
        loss="wgan-gp",
        steps=900,
        critic_updates=2,
        generator_rate=5e-4,
        discriminator_rate=5e-4,
        betas=(0.0, 0.9),
        penalty=10.0,
        penalty_every=2,
        average=0.995,
    )


class _Realism(nn.Module):
    """The discriminator's score as a probability; a Wasserstein critic's score unchanged, as it is none."""

    def __init__(self, discriminator: Discriminator, loss: Loss) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.loss = loss

    def forward(self, images: Tensor) -> Tensor:
        with autocast(images.device):
            score = self.discriminator(images).float()
        return torch.sigmoid(score) if self.loss == "logistic" else score


class DCGANPrior(Prior):
    """Generator and discriminator after Radford et al. (ICLR 2016), adapted to few images.

    Its name is `wgan` if it was trained with the loss `wgan-gp`. `config` holds the constructor's arguments, so that
    the prior can be stored as plain values and tensors.
    """

    name = "dcgan"
    realism: _Realism

    def __init__(self, latent_dim: int, channels: int, resolution: int, width: int, loss: Loss = "logistic") -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "latent_dim": latent_dim,
            "channels": channels,
            "resolution": resolution,
            "width": width,
            "loss": loss,
        }
        self.name = "dcgan" if loss == "logistic" else "wgan"
        self.latent_dim, self.channels, self.resolution = latent_dim, channels, resolution
        self.generator = Generator(latent_dim, channels, resolution, width)
        self.realism = _Realism(Discriminator(channels, resolution, width), loss)

        # block 0 maps the latents to the 4x4 features, block 1 these to 8x8 features, and so on
        self.blocks = 1 + len(self.generator.blocks)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        with autocast(latents.device):
            return self.generator(latents)

    def advance(self, hidden: Tensor, block: int) -> Tensor:
        with autocast(hidden.device):
            if block == 0:
                return _flattened(*self.generator.begin(hidden), hidden)
            features, image, latents = self._unflattened(hidden, block)
            return _flattened(*self.generator.step(features, image, latents, block - 1), latents)

    def finish(self, hidden: Tensor, block: int, labels: Tensor | None = None) -> Tensor:
        if block == 0:
            return self.decode(hidden)
        with autocast(hidden.device):
            return self.generator.end(*self._unflattened(hidden, block), block - 1)

    def _unflattened(self, hidden: Tensor, block: int) -> tuple[Tensor, Tensor, Tensor]:
        """Features, summed image and latents from the flat input of a block; every block also takes the latents."""
        side = 4 * 2 ** (block - 1)
        image_size = self.channels * side**2
        features, image, latents = hidden.split(
            [hidden.shape[1] - image_size - self.latent_dim, image_size, self.latent_dim], dim=1
        )
        return features.view(len(hidden), -1, side, side), image.view(len(hidden), -1, side, side), latents


def _flattened(features: Tensor, image: Tensor, latents: Tensor) -> Tensor:
    return torch.cat([features.flatten(1), image.flatten(1), latents], 1)


class _Logistic(GanTraining[Discriminator, GanRecipe]):
    def discriminator_loss(self, real: RealBatch, fake: FakeBatch) -> Tensor:
        # real and fake images in one pass
        both, n = self.augmented(real.images, fake.images), len(real.images)
        scores = self.evaluate(self.discriminator, both)
        loss = F.softplus(-scores[:n]).mean() + F.softplus(scores[n:]).mean()
        if weight := self.penalty_weight:
            loss = loss + weight * squared_gradient(self.discriminator, both[:n])
        return loss

    def generator_loss(self, fake: FakeBatch) -> Tensor:
        return F.softplus(-self.evaluate(self.discriminator, self.augmented(fake.images))).mean()


class _Wasserstein(GanTraining[Discriminator, GanRecipe]):
    def discriminator_loss(self, real: RealBatch, fake: FakeBatch) -> Tensor:
        both, n = self.augmented(real.images, fake.images), len(real.images)
        scores = self.evaluate(self.discriminator, both)
        loss = scores[n:].mean() - scores[:n].mean()
        if weight := self.penalty_weight:
            share = torch.rand(n, 1, 1, 1, device=self.device, generator=self.random)
            between = torch.lerp(both[:n], both[n:], share)
            loss = loss + weight * unit_gradient_penalty(self.discriminator, between)
        return loss

    def generator_loss(self, fake: FakeBatch) -> Tensor:
        return -self.evaluate(self.discriminator, self.augmented(fake.images)).mean()


def unit_gradient_penalty(critic: nn.Module, images: Tensor) -> Tensor:
    """WGAN-GP's penalty: the mean over images of (gradient norm of the score - 1)^2 (Gulrajani et al., equation 3)."""
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def train_dcgan(images: np.ndarray, recipe: GanRecipe, seed: int, device: torch.device) -> DCGANPrior:
    """Train a DCGAN on public images, uint8 (n, channels, resolution, resolution), and their mirror images.

    Both losses use differentiable augmentation. The same seed gives the same weights. The state of the global random
    generator is kept.

    Raises:
        DivergedError: a loss is not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "gan weights"))
        prior = DCGANPrior(recipe.latent_dim, images.shape[1], images.shape[-1], recipe.width, recipe.loss)
    prior = place(prior, device)
    training = _Logistic if recipe.loss == "logistic" else _Wasserstein
    training(images, prior.generator, prior.realism.discriminator, recipe, seed, device).run()
    return prior.eval().requires_grad_(False)
