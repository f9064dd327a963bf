"""The class-conditional prior."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mi_tune.nets.class_gan import ClassGenerator
from mi_tune.priors.base import Prior
from mi_tune.priors.gan_training import GanTrainingRecipe
from mi_tune.runtime.device import autocast
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed


class ConditionalPrior(Prior):
    """A class-conditional generator as PLG-MI and LOKT train it; classes are the target's. It has no discriminator.

    `config` holds the constructor's arguments, so that the prior can be stored as plain values and tensors.
    """

    name = "conditional"
    conditional = True

    def __init__(
        self, latent_dim: int, classes: int, channels: int, resolution: int, width: int, embedding: int = 32
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "latent_dim": latent_dim,
            "classes": classes,
            "channels": channels,
            "resolution": resolution,
            "width": width,
            "embedding": embedding,
        }
        self.latent_dim, self.classes, self.channels, self.resolution = latent_dim, classes, channels, resolution
        self.generator = ClassGenerator(latent_dim, classes, channels, resolution, width, embedding)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images of latents (n, latent_dim) and labels, int64 (n,). Raises InputError without labels."""
        if labels is None:
            raise InputError("a conditional prior makes images of given classes; pass a label with every latent")
        with autocast(latents.device):
            return self.generator(latents, labels)


def untrained_prior(images: np.ndarray, classes: int, recipe: GanTrainingRecipe, seed: int) -> ConditionalPrior:
    """A prior with random weights for images of this shape; the state of the global random generator is kept."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "gan weights"))
        return ConditionalPrior(recipe.latent_dim, classes, images.shape[1], images.shape[-1], recipe.width)
