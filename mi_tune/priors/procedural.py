"""The oracle prior of drawn faces: the drawing itself."""

from __future__ import annotations

import torch
from torch import Tensor

from mi_tune.data.procedural import IDENTITY, neutral, render
from mi_tune.priors.base import Prior


class ProceduralPrior(Prior):
    """x = render(Phi(z)), z standard normal, Phi the normal distribution function.

    The best prior there can be for drawn faces: its samples have exactly the identities' distribution, and every
    private person is among them. What an attack misses with it is the attack's and the target's doing, not the
    prior's. The nuisance is neutral, so that a latent is an identity and nothing else: there is no direction in
    which an attack could please the target without changing the person.

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
        """The people (n, latent_dim), parameters in [0, 1], that latents (n, latent_dim) stand for."""
        return torch.special.ndtr(latents)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (n, 1, resolution, resolution) of latents (n, latent_dim). `labels` are ignored."""
        return render(self.identity(latents), neutral(len(latents), latents.device), self.resolution)
