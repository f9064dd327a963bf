"""The DCGAN prior: a small convolutional GAN, trained on the public images alone, by either of two losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.nets.gan import Discriminator, Generator
from mi_tune.priors.base import Prior
from mi_tune.priors.game import Fake, Game, GameRecipe, Real, squared_gradient
from mi_tune.runtime.device import autocast
from mi_tune.runtime.seeds import derive_seed

Loss = Literal["logistic", "wgan-gp"]


@dataclass(frozen=True)
class GanRecipe(GameRecipe):
    """How the DCGAN is trained.

    Args:
        loss: `logistic`, non-saturating for the generator, with a zero-centred gradient penalty on real images
            (Mescheder et al., ICML 2018) every few updates (Karras et al., CVPR 2020); or `wgan-gp` (Gulrajani et
            al., NeurIPS 2017), see `wgan_recipe`.
    """

    loss: Loss = "logistic"


def wgan_recipe() -> GanRecipe:
    """The prior of GMI (Zhang et al., CVPR 2020): WGAN-GP with penalty 10.

    GMI's own: 5 updates of the critic a step with the penalty in each, batch size 64, latent size 100, Adam at 2e-4
    with decays (0.5, 0.999), 280 epochs of CelebA. Ours, for few images and one core: 2 updates of the critic and the
    penalty, twice as strong, in every second one (in the same time the samples come nearer to the public faces than
    with 5), smaller batches, fewer and larger steps, differentiable augmentation, a moving average, and the latent
    size and nets of the DCGAN.
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
    """The discriminator's score as a probability; a Wasserstein critic's score as it is, for it is none."""

    def __init__(self, discriminator: Discriminator, loss: Loss) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.loss = loss

    def forward(self, images: Tensor) -> Tensor:
        with autocast(images.device):
            score = self.discriminator(images).float()
        return torch.sigmoid(score) if self.loss == "logistic" else score


class DCGANPrior(Prior):
    """Generator and discriminator after Radford et al. (ICLR 2016), with the parts that few images ask for.

    Its name is `wgan` where it was trained by that loss.

    `config` holds the constructor's arguments, so that the prior can be stored as plain values and tensors.
    """

    name = "dcgan"

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

        # before block 0 lie the latents, before block 1 the 4x4 features, and so on
        self.blocks = 1 + len(self.generator.blocks)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        with autocast(latents.device):
            return self.generator(latents)

    def advance(self, hidden: Tensor, block: int) -> Tensor:
        with autocast(hidden.device):
            if block == 0:
                return _joined(*self.generator.begin(hidden), hidden)
            features, image, latents = self._parted(hidden, block)
            return _joined(*self.generator.step(features, image, latents, block - 1), latents)

    def finish(self, hidden: Tensor, block: int, labels: Tensor | None = None) -> Tensor:
        if block == 0:
            return self.decode(hidden)
        with autocast(hidden.device):
            return self.generator.end(*self._parted(hidden, block), block - 1)

    def _parted(self, hidden: Tensor, block: int) -> tuple[Tensor, Tensor, Tensor]:
        """Features, image and latents of a flattened hidden state: every block sees the latents as well."""
        side = 4 * 2 ** (block - 1)
        image_size = self.channels * side**2
        features, image, latents = hidden.split(
            [hidden.shape[1] - image_size - self.latent_dim, image_size, self.latent_dim], dim=1
        )
        return features.view(len(hidden), -1, side, side), image.view(len(hidden), -1, side, side), latents


def _joined(features: Tensor, image: Tensor, latents: Tensor) -> Tensor:
    return torch.cat([features.flatten(1), image.flatten(1), latents], 1)


class _Logistic(Game):
    def discriminator_loss(self, real: Real, fake: Fake) -> Tensor:
        # both kinds in one pass
        seen, n = self.augmented(real.images, fake.images), len(real.images)
        scores = self.ask(self.critic, seen)
        loss = F.softplus(-scores[:n]).mean() + F.softplus(scores[n:]).mean()
        if weight := self.penalty_weight:
            loss = loss + weight * squared_gradient(self.critic, seen[:n])
        return loss

    def generator_loss(self, fake: Fake) -> Tensor:
        return F.softplus(-self.ask(self.critic, self.augmented(fake.images))).mean()


class _Wasserstein(Game):
    def discriminator_loss(self, real: Real, fake: Fake) -> Tensor:
        seen, n = self.augmented(real.images, fake.images), len(real.images)
        scores = self.ask(self.critic, seen)
        loss = scores[n:].mean() - scores[:n].mean()
        if weight := self.penalty_weight:
            share = torch.rand(n, 1, 1, 1, device=self.device, generator=self.random)
            loss = loss + weight * distance_from_unit_slope(self.critic, torch.lerp(seen[:n], seen[n:], share))
        return loss

    def generator_loss(self, fake: Fake) -> Tensor:
        return -self.ask(self.critic, self.augmented(fake.images)).mean()


def distance_from_unit_slope(critic: nn.Module, images: Tensor) -> Tensor:
    """Mean over images of (|gradient of the score| - 1)^2 (Gulrajani et al., equation 3)."""
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def train_dcgan(images: np.ndarray, recipe: GanRecipe, seed: int, device: torch.device) -> DCGANPrior:
    """Train on public images, uint8 (n, channels, resolution, resolution), and their mirror images.

    Differentiable augmentation, whichever the loss. The same seed gives the same weights; the global random stream
    is left as it was.

    Raises:
        DivergedError: a loss is not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "gan weights"))
        prior = DCGANPrior(recipe.latent_dim, images.shape[1], images.shape[-1], recipe.width, recipe.loss)
    prior = prior.to(device, memory_format=torch.channels_last)
    rules = _Logistic if recipe.loss == "logistic" else _Wasserstein
    rules(images, prior.generator, prior.realism.discriminator, recipe, seed, device).play()
    return prior.eval().requires_grad_(False)
