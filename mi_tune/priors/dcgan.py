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
        steps: updates of both networks; batch_size: images an update.
        latent_dim, width: size of the latent space, and of the widest maps (a quarter of the features of the 4x4 map).
        generator_rate, discriminator_rate: Adam's learning rates.
        average: decay of the moving average of the generator's weights, which the prior uses.
    """

    steps: int = 3000
    batch_size: int = 32
    latent_dim: int = 64
    width: int = 32
    generator_rate: float = 2e-4
    discriminator_rate: float = 4e-4
    average: float = 0.998


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

    def decode(self, latents: Tensor) -> Tensor:
        return self.generator(latents)


def train_dcgan(images: np.ndarray, recipe: GanRecipe, seed: int, device: torch.device) -> DCGANPrior:
    """Train on public images, uint8 (n, channels, resolution, resolution).

    Logistic loss, non-saturating for the generator, with a zero-centred gradient penalty on real images every 8th
    update (Mescheder et al., ICML 2018), and differentiable augmentation.

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
    betas = (0.0, 0.99)
    make = torch.optim.Adam(maker.parameters(), lr=recipe.generator_rate, betas=betas)
    criticise = torch.optim.Adam(critic.parameters(), lr=recipe.discriminator_rate, betas=betas)
    random = generator(seed, "gan", device=device)
    for step in range(recipe.steps):
        chosen = torch.randint(len(real), (recipe.batch_size,), device=device, generator=random)
        truth = shift_and_flip(real[chosen], 0, True, random).float() / 255
        with autocast(device):
            fake = maker(torch.randn(recipe.batch_size, recipe.latent_dim, device=device, generator=random))
        fake = fake.float()
        # both kinds in one pass; gradients of the critic's update must not reach the generator
        both = diff_augment(torch.cat([truth, fake.detach()]), random).contiguous(memory_format=torch.channels_last)
        with autocast(device):
            scores = critic(both).float()
        loss = F.softplus(-scores[: len(truth)]).mean() + F.softplus(scores[len(truth) :]).mean()
        if step % 8 == 0:
            loss = loss + 8 * _gradient_penalty(critic, diff_augment(truth, random))
        criticise.zero_grad(set_to_none=True)
        loss.backward()
        criticise.step()

        critic.requires_grad_(False)
        with autocast(device):
            scores = critic(diff_augment(fake, random).contiguous(memory_format=torch.channels_last)).float()
        make_loss = F.softplus(-scores).mean()
        make.zero_grad(set_to_none=True)
        make_loss.backward()
        make.step()
        critic.requires_grad_(True)
        with torch.no_grad():
            decay = min(recipe.average, (step + 1) / (step + 10))
            for kept, new in zip(average.parameters(), maker.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
        if step % 50 == 0 or step == recipe.steps - 1:
            value = float(loss.detach() + make_loss.detach())
            if not np.isfinite(value):
                raise DivergedError(f"the GAN's training diverged: its loss is {value} at step {step + 1}")
    maker.load_state_dict(average.state_dict())
    return prior.eval().requires_grad_(False)


def _gradient_penalty(critic: Discriminator, images: Tensor, weight: float = 0.05) -> Tensor:
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return weight * gradient.square().sum((1, 2, 3)).mean()
