"""The prior that is told which class to draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mi_tune.nets.class_gan import ClassGenerator
from mi_tune.priors.base import Prior
from mi_tune.priors.game import GameRecipe
from mi_tune.runtime.device import autocast
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed


class ConditionalPrior(Prior):
    """Images of a latent and a label of the target, as PLG-MI and LOKT train them; without a discriminator.

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
        """Images of latents (n, latent_dim) and labels int64 (n,). Raises InputError without labels."""
        if labels is None:
            raise InputError("a conditional prior draws a given class; pass a label with every latent")
        with autocast(latents.device):
            return self.generator(latents, labels)


def fresh_prior(images: np.ndarray, classes: int, recipe: GameRecipe, seed: int) -> ConditionalPrior:
    """An untrained prior for images of this shape; the global random stream is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "gan weights"))
        return ConditionalPrior(recipe.latent_dim, classes, images.shape[1], images.shape[-1], recipe.width)
