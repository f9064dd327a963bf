"""What every prior offers an attack, and its samples, rendered once and shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import generator


class Prior(nn.Module):
    """A generator of images from latent vectors with mean 0 and standard deviation 1 per coordinate.

    `realism` is the discriminator: one score (n,) per image, higher for what looks real, whose minus is the prior loss;
    None for a prior without one. A `conditional` prior draws images of a class and needs a label with every latent.
    Images have `channels` channels and `resolution` pixels a side.

    A generator may be cut between its `blocks`: `advance` takes what lies before block k to what lies before block
    k + 1, flattened to one vector per image, and `finish` takes it to the image. Before block 0 lie the latents.
    """

    name: str
    latent_dim: int
    channels: int
    resolution: int
    conditional: bool = False
    blocks: int = 1

    def __init__(self) -> None:
        super().__init__()
        self.realism: nn.Module | None = None

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (n, channels, height, width) in [0, 1], differentiable, of latents (n, latent_dim).

        labels: int64 (n,), for a conditional prior; others ignore them.
        """
        raise AttributeError(f"{type(self).__name__} does not decode")

    def advance(self, hidden: Tensor, block: int) -> Tensor:
        """What lies before block `block` + 1 (n, size), of what lies before `block`."""
        raise InputError(f"prior '{self.name}' is not cut into blocks")

    def finish(self, hidden: Tensor, block: int, labels: Tensor | None = None) -> Tensor:
        """Images of what lies before `block` (n, size)."""
        if block:
            raise InputError(f"prior '{self.name}' is not cut into blocks")
        return self.decode(hidden, labels)

    def sample_latents(self, n: int, random: torch.Generator) -> Tensor:
        return torch.randn(n, self.latent_dim, generator=random, device=random.device)


@torch.no_grad()
def check_prior(prior: Prior, channels: int, resolution: int, device: torch.device, classes: int = 1) -> None:
    """Raise InputError unless the prior makes finite images in [0, 1] of the given shape."""
    random = generator(0, "prior check", device=device)
    latents = prior.sample_latents(8, random)
    labels = torch.arange(8, device=device) % classes if prior.conditional else None
    images = prior.decode(latents, labels)
    wanted = (channels, resolution, resolution)
    if images.ndim != 4 or tuple(images.shape[1:]) != wanted:
        raise InputError(
            f"prior '{prior.name}' makes images of shape {tuple(images.shape[1:])}, but the target takes {wanted} "
            "(channels, height, width); give a prior of the target's resolution and channels"
        )
    if not torch.isfinite(images).all():
        raise InputError(f"prior '{prior.name}' makes images with NaN or infinite pixels; check its weights")
    low, high = float(images.min()), float(images.max())
    if low < -0.01 or high > 1.01:
        raise InputError(
            f"prior '{prior.name}' makes pixels from {low:.2f} to {high:.2f}, not within [0, 1]; "
            "give the range of its output (prior.output_range)"
        )


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
    images = [to_uint8(prior.decode(part)).cpu() for part in latents.split(batch_size)]
    return PriorSamples(latents.cpu().numpy(), torch.cat(images).numpy())


def to_uint8(images: Tensor) -> Tensor:
    """Images in [0, 1] on the grid of 8 bits."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8)
