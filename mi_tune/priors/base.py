"""What every prior offers an attack, and its samples, rendered once and shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mi_tune.seeds import generator


class Prior(nn.Module):
    """A generator of images from latent vectors that are standard normal.

    `decode` is differentiable; a `conditional` prior needs a label with every latent. `realism` is the
    discriminator: one score (n,) per image, higher for what looks real, whose minus is the prior loss; None for a
    prior without one. Images have `channels` channels and `resolution` pixels a side.
    """

    name: str
    latent_dim: int
    channels: int
    resolution: int
    conditional: bool = False

    def __init__(self) -> None:
        super().__init__()
        self.realism: nn.Module | None = None

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (n, channels, resolution, resolution) in [0, 1] of latents (n, latent_dim).

        labels: int64 (n,); an unconditional prior ignores them.
        """
        raise AttributeError(f"{type(self).__name__} does not decode")

    def sample_latents(self, n: int, random: torch.Generator) -> Tensor:
        return torch.randn(n, self.latent_dim, generator=random, device=random.device)


@dataclass(frozen=True)
class PriorSamples:
    """Samples of a prior: latents float32 (n, latent_dim), images uint8 (n, channels, height, width).

    Every best-of-N start of a study searches the same ones. NumPy, for the object store.
    """

    latents: np.ndarray
    images: np.ndarray


@torch.no_grad()
def render_samples(prior: Prior, n: int, seed: int, device: torch.device, batch_size: int = 256) -> PriorSamples:
    """Draw and render `n` samples."""
    latents = prior.sample_latents(n, generator(seed, "prior samples", device=device))
    images = [
        (prior.decode(part) * 255).round().clamp(0, 255).to(torch.uint8).cpu() for part in latents.split(batch_size)
    ]
    return PriorSamples(latents.cpu().numpy(), torch.cat(images).numpy())
