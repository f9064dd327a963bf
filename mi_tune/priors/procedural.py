"""The perfect prior for drawn faces: the program that draws them."""

from __future__ import annotations

import torch
from torch import Tensor

from mi_tune.data.procedural import IDENTITY, neutral, render
from mi_tune.priors.base import Prior


class ProceduralPrior(Prior):
    """x = render(Phi(z)), z standard normal, Phi the normal distribution function.

    No prior can be better for drawn faces: its samples have exactly the distribution of the identities, and it can draw
    every private person. An attack that fails with it fails because of the attack or the target, not the prior. The
    nuisance is neutral, so that a latent is an identity only: an attack cannot raise the target's confidence without
    changing the person.

    Args:
        resolution: side of the images in pixels.
    """

    name = "procedural"
    conditional = False
    channels = 1

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.resolution = resolution
        self.latent_dim = len(IDENTITY)

    def identity(self, latents: Tensor) -> Tensor:
        """The identity parameters (n, latent_dim) in [0, 1] of latents (n, latent_dim)."""
        return torch.special.ndtr(latents)

    def draw_known(self, identity: Tensor) -> Tensor:
        return render(identity, neutral(len(identity), identity.device), self.resolution)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (n, 1, resolution, resolution) of latents (n, latent_dim). `labels` are ignored."""
        return self.draw_known(self.identity(latents))
