"""The training loop that all GANs share: two players, their optimisers, and the average that is kept."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.data.augment import shift_and_flip
from mi_tune.priors.diff_augment import diff_augment
from mi_tune.runtime.device import autocast
from mi_tune.runtime.errors import DivergedError
from mi_tune.runtime.seeds import generator


@dataclass(frozen=True)
class GameRecipe:
    """Size and training of a GAN.

    Args:
        steps: updates of the generator. batch_size: images an update. critic_updates: of the discriminator, a step.
        latent_dim: size of the latent space. width: features of the finest maps; the 4x4 map has 8 times as many.
        generator_rate, discriminator_rate, betas: Adam's learning rates and decays.
        average: decay of the moving average of the generator's weights, which is what the prior uses.
        penalty: weight of the gradient penalty. penalty_every: updates from one penalty to the next.
    """

    steps: int = 2600
    batch_size: int = 16
    critic_updates: int = 1
    latent_dim: int = 64
    width: int = 16
    generator_rate: float = 3e-4
    discriminator_rate: float = 6e-4
    betas: tuple[float, float] = (0.0, 0.99)
    average: float = 0.998
    penalty: float = 0.02
    penalty_every: int = 8


class Real(NamedTuple):
    """A batch of real images, float in [0, 1], and their rows among all real images, int64 (n,)."""

    images: Tensor
    rows: Tensor


class Fake(NamedTuple):
    """A batch of generated images, float in [0, 1], and the labels that were asked for, int64 (n,), if any."""

    images: Tensor
    labels: Tensor | None


class Game:
    """Training of a generator against a discriminator; a subclass says what either minimises.

    The discriminator moves first. The generator answers with the images of the discriminator's last move: one
    rendering serves both.

    Args:
        images: the real ones, uint8 (n, channels, resolution, resolution); mirror images are drawn as well.
        classes: labels that the generator is given, uniform over so many; None for a generator without.
        seed: seeds every draw, not the players' first weights.
    """

    def __init__(
        self,
        images: np.ndarray,
        maker: nn.Module,
        critic: nn.Module,
        recipe: GameRecipe,
        seed: int,
        device: torch.device,
        classes: int | None = None,
    ) -> None:
        self.real = torch.from_numpy(images).to(device)
        self.maker, self.critic, self.recipe, self.device, self.classes = maker, critic, recipe, device, classes
        self.random = generator(seed, "gan", device=device)
        self.step = self.turn = 0

    def discriminator_loss(self, real: Real, fake: Fake) -> Tensor:
        """What the discriminator minimises; the fakes are detached."""
        raise AttributeError(f"{type(self).__name__} does not say what its discriminator minimises")

    def generator_loss(self, fake: Fake) -> Tensor:
        """What the generator minimises; the discriminator is frozen meanwhile."""
        raise AttributeError(f"{type(self).__name__} does not say what its generator minimises")

    def play(self) -> None:
        """Train; the generator is left with the moving average of its weights. Raises DivergedError."""
        recipe, maker, critic = self.recipe, self.maker, self.critic
        average = copy.deepcopy(maker)
        make = torch.optim.Adam(maker.parameters(), lr=recipe.generator_rate, betas=recipe.betas)
        criticise = torch.optim.Adam(critic.parameters(), lr=recipe.discriminator_rate, betas=recipe.betas)
        for self.step in range(recipe.steps):
            for left in reversed(range(recipe.critic_updates)):
                real = self.draw_real()
                with torch.set_grad_enabled(left == 0):
                    fake = self.draw_fake()
                # gradients of the critic's update must not reach the generator
                critic_loss = self.discriminator_loss(real, Fake(fake.images.detach(), fake.labels))
                criticise.zero_grad(set_to_none=True)
                critic_loss.backward()
                criticise.step()
                self.turn += 1
            critic.requires_grad_(False)
            maker_loss = self.generator_loss(fake)
            make.zero_grad(set_to_none=True)
            maker_loss.backward()
            make.step()
            critic.requires_grad_(True)
            _follow(average, maker, min(recipe.average, (self.step + 1) / (self.step + 10)))
            # rarely: reading a loss waits for the GPU
            if self.step % 50 == 0 or self.step == recipe.steps - 1:
                value = float(critic_loss.detach() + maker_loss.detach())
                if not np.isfinite(value):
                    raise DivergedError(f"the GAN's training diverged: its loss is {value} at step {self.step + 1}")
        maker.load_state_dict(average.state_dict())

    def ramp(self, share: float) -> float:
        """0 at the first step, rising to 1 over the first `share` of the steps."""
        return min(1.0, self.step / max(share * self.recipe.steps, 1e-9))

    def draw_real(self) -> Real:
        rows = torch.randint(len(self.real), (self.recipe.batch_size,), device=self.device, generator=self.random)
        return Real(shift_and_flip(self.real[rows], 0, True, self.random).float() / 255, rows)

    def draw_fake(self) -> Fake:
        size = self.recipe.batch_size
        latents = torch.randn(size, self.recipe.latent_dim, device=self.device, generator=self.random)
        if self.classes is None:
            return Fake(self.ask(self.maker, latents), None)
        labels = torch.randint(self.classes, (size,), device=self.device, generator=self.random)
        return Fake(self.ask(self.maker, latents, labels), labels)

    def augmented(self, *batches: Tensor) -> Tensor:
        """The batches in one, augmented for the discriminator."""
        return diff_augment(torch.cat(batches), self.random).contiguous(memory_format=torch.channels_last)

    def ask(self, net: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """The net's answer in float32, computed in the device's precision."""
        with autocast(self.device):
            answer = net(*inputs)
        return answer.float()

    @property
    def penalty_weight(self) -> float:
        """Weight of the gradient penalty in this update: rarer and stronger alike, the same pull at less cost."""
        every = self.recipe.penalty_every
        return self.recipe.penalty * every if self.turn % every == 0 else 0.0


def squared_gradient(score: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Mean over images of the squared length of the gradient of their scores (n,) (Mescheder et al., ICML 2018)."""
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(score(images).sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's hinge loss of scores (n,): E max(0, 1 - D(x)) + E max(0, 1 + D(G(z)))."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    for kept, new in zip(average.parameters(), model.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)
