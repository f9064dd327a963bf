"""The DCGAN prior: a small convolutional GAN, trained on the public images alone."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.augment import shift_and_flip
from mi_tune.device import autocast
from mi_tune.errors import DivergedError
from mi_tune.nets.gan import Discriminator, Generator
from mi_tune.priors.base import Prior
from mi_tune.priors.diff_augment import diff_augment
from mi_tune.seeds import derive_seed, generator


@dataclass(frozen=True)
class GanRecipe:
    """Size and training of the GAN.

    Args:
        steps: updates of both networks. batch_size: images an update.
        latent_dim: size of the latent space. width: features of the finest maps; the 4x4 map has 8 times as many.
        generator_rate, discriminator_rate, betas: Adam's learning rates and decays.
        average: decay of the moving average of the generator's weights, which is what the prior uses.
        penalty: weight of the gradient penalty. penalty_every: updates from one penalty to the next.
    """

    steps: int = 2600
    batch_size: int = 16
    latent_dim: int = 64
    width: int = 16
    generator_rate: float = 3e-4
    discriminator_rate: float = 6e-4
    betas: tuple[float, float] = (0.0, 0.99)
    average: float = 0.998
    penalty: float = 0.02
    penalty_every: int = 8


class _Realism(nn.Module):
    """The discriminator's score as a probability."""

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, images: Tensor) -> Tensor:
        return torch.sigmoid(self.discriminator(images))


class DCGANPrior(Prior):
    """Generator and discriminator after Radford et al. (ICLR 2016), with the parts that few images ask for.

    `config` holds the constructor's arguments, so that the prior can be stored as plain values and tensors.
    """

    name = "dcgan"

    def __init__(self, latent_dim: int, channels: int, resolution: int, width: int) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "latent_dim": latent_dim,
            "channels": channels,
            "resolution": resolution,
            "width": width,
        }
        self.latent_dim = latent_dim
        self.generator = Generator(latent_dim, channels, resolution, width)
        self.realism = _Realism(Discriminator(channels, resolution, width))

        self.channels, self.resolution = channels, resolution
        # before block 0 lie the latents, before block 1 the 4x4 features, and so on
        self.blocks = 1 + len(self.generator.blocks)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.generator(latents)

    def advance(self, hidden: Tensor, block: int) -> Tensor:
        if block == 0:
            return _joined(*self.generator.begin(hidden), hidden)
        features, image, latents = self._parted(hidden, block)
        return _joined(*self.generator.step(features, image, latents, block - 1), latents)

    def finish(self, hidden: Tensor, block: int, labels: Tensor | None = None) -> Tensor:
        if block == 0:
            return self.decode(hidden)
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


def train_dcgan(images: np.ndarray, recipe: GanRecipe, seed: int, device: torch.device) -> DCGANPrior:
    """Train on public images, uint8 (n, channels, resolution, resolution), and their mirror images.

    Logistic loss, non-saturating for the generator, a zero-centred gradient penalty on real images (Mescheder et
    al., ICML 2018) every few updates (Karras et al., CVPR 2020), and differentiable augmentation. The same seed
    gives the same weights; the global random stream is left as it was.

    Raises:
        DivergedError: a loss is not finite.
    """
    real = torch.from_numpy(images).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "gan weights"))
        prior = DCGANPrior(recipe.latent_dim, images.shape[1], images.shape[-1], recipe.width)
    prior = prior.to(device, memory_format=torch.channels_last)
    maker, critic = prior.generator, prior.realism.discriminator
    average = copy.deepcopy(maker)
    make = torch.optim.Adam(maker.parameters(), lr=recipe.generator_rate, betas=recipe.betas)
    criticise = torch.optim.Adam(critic.parameters(), lr=recipe.discriminator_rate, betas=recipe.betas)
    random = generator(seed, "gan", device=device)
    for step in range(recipe.steps):
        chosen = torch.randint(len(real), (recipe.batch_size,), device=device, generator=random)
        truth = shift_and_flip(real[chosen], 0, True, random).float() / 255
        with autocast(device):
            fake = maker(torch.randn(recipe.batch_size, recipe.latent_dim, device=device, generator=random))
        fake = fake.float()

        # both kinds in one pass; gradients of the critic's update must not reach the generator
        seen = diff_augment(torch.cat([truth, fake.detach()]), random)
        scores = _scores(critic, seen, device)
        loss = F.softplus(-scores[: len(truth)]).mean() + F.softplus(scores[len(truth) :]).mean()
        total = loss
        if step % recipe.penalty_every == 0:
            # rarer and stronger alike: the same pull at a fraction of the cost
            strength = recipe.penalty * recipe.penalty_every
            total = loss + strength * _squared_gradient(critic, seen[: len(truth)])
        criticise.zero_grad(set_to_none=True)
        total.backward()
        criticise.step()

        critic.requires_grad_(False)
        make_loss = F.softplus(-_scores(critic, diff_augment(fake, random), device)).mean()
        make.zero_grad(set_to_none=True)
        make_loss.backward()
        make.step()
        critic.requires_grad_(True)
        _follow(average, maker, min(recipe.average, (step + 1) / (step + 10)))
        # rarely: reading a loss waits for the GPU
        if step % 50 == 0 or step == recipe.steps - 1:
            value = float(total.detach() + make_loss.detach())
            if not np.isfinite(value):
                raise DivergedError(f"the GAN's training diverged: its loss is {value} at step {step + 1}")
    maker.load_state_dict(average.state_dict())
    return prior.eval().requires_grad_(False)


def _scores(critic: Discriminator, images: Tensor, device: torch.device) -> Tensor:
    with autocast(device):
        scores = critic(images.contiguous(memory_format=torch.channels_last))
    return scores.float()


def _squared_gradient(critic: Discriminator, images: Tensor) -> Tensor:
    """Mean over images of the squared length of the score's gradient."""
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    for kept, new in zip(average.parameters(), model.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)
