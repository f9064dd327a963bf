"""The training loop that all GANs share: alternating updates, and a moving average of the generator's weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.data.augment import shift_and_flip
from mi_tune.priors.diff_augment import diff_augment
from mi_tune.runtime.device import autocast
from mi_tune.runtime.errors import DivergedError
from mi_tune.runtime.seeds import generator as random_generator


@dataclass(frozen=True)
class GanTrainingRecipe:
    """Size and training of a GAN.

    Args:
        steps: updates of the generator.
        batch_size: images per update.
        critic_updates: updates of the discriminator per step.
        latent_dim: size of the latent space.
        width: features of the finest maps; the 4x4 map has up to 8 times as many.
        generator_rate, discriminator_rate, betas: Adam's learning rates and decays.
        average: decay of the exponential moving average of the generator's weights, which the prior uses.
        penalty: weight of the gradient penalty.
        penalty_every: the penalty is computed in every `penalty_every`-th update of the discriminator.
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


class RealBatch(NamedTuple):
    """A batch of real images, float in [0, 1], and their indices into all real images, int64 (n,)."""

    images: Tensor
    rows: Tensor


class FakeBatch(NamedTuple):
    """A batch of generated images, float in [0, 1], and the labels they were generated for, int64 (n,), or None."""

    images: Tensor
    labels: Tensor | None


DiscriminatorNet = TypeVar("DiscriminatorNet", bound=nn.Module)
AnyRecipe = TypeVar("AnyRecipe", bound=GanTrainingRecipe)


class GanTraining(Generic[DiscriminatorNet, AnyRecipe]):
    """Training of a generator against a discriminator; a subclass defines both losses.

    In each step the discriminator is updated first. The generator is updated on the fakes of the discriminator's last
    update, so each fake is rendered once.

    Args:
        images: the real images, uint8 (n, channels, resolution, resolution); half of the draws are mirrored.
        classes: number of classes, drawn uniformly as the generator's labels; None for an unconditional generator.
        seed: seeds every draw, but not the networks' initial weights.
    """

    def __init__(
        self,
        images: np.ndarray,
        generator: nn.Module,
        discriminator: DiscriminatorNet,
        recipe: AnyRecipe,
        seed: int,
        device: torch.device,
        classes: int | None = None,
    ) -> None:
        self.real = torch.from_numpy(images).to(device)
        self.generator, self.discriminator = generator, discriminator
        self.recipe, self.device, self.classes = recipe, device, classes
        self.random = random_generator(seed, "gan", device=device)
        self.step = self.discriminator_updates = 0

    def discriminator_loss(self, real: RealBatch, fake: FakeBatch) -> Tensor:
        """The loss that the discriminator minimises; the fakes are detached."""
        raise AttributeError(f"{type(self).__name__} does not define the discriminator's loss")

    def generator_loss(self, fake: FakeBatch) -> Tensor:
        """The loss that the generator minimises; the discriminator is frozen."""
        raise AttributeError(f"{type(self).__name__} does not define the generator's loss")

    def run(self) -> None:
        """Train. Afterwards the generator has the moving average of its weights. Raises DivergedError."""
        recipe, generator, discriminator = self.recipe, self.generator, self.discriminator
        average = copy.deepcopy(generator)
        generator_adam = torch.optim.Adam(generator.parameters(), lr=recipe.generator_rate, betas=recipe.betas)
        discriminator_adam = torch.optim.Adam(
            discriminator.parameters(), lr=recipe.discriminator_rate, betas=recipe.betas
        )
        for self.step in range(recipe.steps):
            for left in reversed(range(recipe.critic_updates)):
                real = self.draw_real()
                # only the last fakes are used again, to update the generator
                with torch.set_grad_enabled(left == 0):
                    fake = self.draw_fake()
                # gradients of the discriminator's update must not reach the generator
                discriminator_loss = self.discriminator_loss(real, FakeBatch(fake.images.detach(), fake.labels))
                discriminator_adam.zero_grad(set_to_none=True)
                discriminator_loss.backward()
                discriminator_adam.step()
                self.discriminator_updates += 1
            discriminator.requires_grad_(False)
            generator_loss = self.generator_loss(fake)
            generator_adam.zero_grad(set_to_none=True)
            generator_loss.backward()
            generator_adam.step()
            discriminator.requires_grad_(True)
            _update_average(average, generator, min(recipe.average, (self.step + 1) / (self.step + 10)))
            # not in every step, because reading a loss waits for the GPU
            if self.step % 50 == 0 or self.step == recipe.steps - 1:
                value = float(discriminator_loss.detach() + generator_loss.detach())
                if not np.isfinite(value):
                    raise DivergedError(f"the GAN's training diverged: its loss is {value} at step {self.step + 1}")
        generator.load_state_dict(average.state_dict())

    def ramp(self, share: float) -> float:
        """Linear warm-up: 0 at the first step, rising to 1 over the first `share` of the steps."""
        return min(1.0, self.step / max(share * self.recipe.steps, 1e-9))

    def draw_real(self) -> RealBatch:
        """Draw a batch of real images, each mirrored with probability 1/2."""
        rows = torch.randint(len(self.real), (self.recipe.batch_size,), device=self.device, generator=self.random)
        return RealBatch(shift_and_flip(self.real[rows], 0, True, self.random).float() / 255, rows)

    def draw_fake(self) -> FakeBatch:
        """Generate a batch of images, for random labels if there are classes."""
        size = self.recipe.batch_size
        latents = torch.randn(size, self.recipe.latent_dim, device=self.device, generator=self.random)
        if self.classes is None:
            return FakeBatch(self.evaluate(self.generator, latents), None)
        labels = torch.randint(self.classes, (size,), device=self.device, generator=self.random)
        return FakeBatch(self.evaluate(self.generator, latents, labels), labels)

    def augmented(self, *batches: Tensor) -> Tensor:
        """The batches as one batch, with differentiable augmentation for the discriminator."""
        return diff_augment(torch.cat(batches), self.random).contiguous(memory_format=torch.channels_last)

    def evaluate(self, net: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """The output of `net` as float32, computed in the device's precision."""
        with autocast(self.device):
            output = net(*inputs)
        return output.float()

    @property
    def penalty_weight(self) -> float:
        """Weight of the gradient penalty in the next update of the discriminator; 0 in most.

        Lazy regularisation (Karras et al., CVPR 2020): the penalty is computed in one update of `penalty_every`, with a
        weight that is larger by that factor. This has the same effect at less cost.
        """
        every = self.recipe.penalty_every
        return self.recipe.penalty * every if self.discriminator_updates % every == 0 else 0.0


def squared_gradient(score: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Mean squared gradient norm of the scores (n,) with respect to their images (Mescheder et al., ICML 2018)."""
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(score(images).sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of a discriminator with scores (n,): E max(0, 1 - D(x)) + E max(0, 1 + D(G(z)))."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


@torch.no_grad()
def _update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    for mean, new in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(new, 1 - decay)
