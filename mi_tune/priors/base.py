"""The interface of all priors, and their samples, which are rendered once and shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import generator


class Prior(nn.Module):
    """A generator of images from latents with mean 0 and standard deviation 1 per coordinate.

    `realism` is the discriminator: one score (n,) per image, higher for images that look real. The prior loss is minus
    that score. None for a prior without a discriminator. A `conditional` prior makes images of a class and needs a
    label with every latent. Images have `channels` channels and `resolution` pixels a side.

    A generator can be split into `blocks`, so that attacks can optimise its hidden features. `advance` computes the
    input of block k + 1 from that of block k, and `finish` computes the image. A block's input is one flat vector per
    image; the input of block 0 is the latents.
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
        """Generate images (n, channels, height, width) in [0, 1] from latents (n, latent_dim), differentiably.

        labels: int64 (n,), for a conditional prior; others ignore them.
        """
        raise AttributeError(f"{type(self).__name__} does not define decode")

    def advance(self, hidden: Tensor, block: int) -> Tensor:
        """The input of block `block` + 1, (n, size), from the input `hidden` of block `block`."""
        raise InputError(f"prior '{self.name}' is not cut into blocks")

    def finish(self, hidden: Tensor, block: int, labels: Tensor | None = None) -> Tensor:
        """Images from the input `hidden` of block `block`, (n, size)."""
        if block:
            raise InputError(f"prior '{self.name}' is not cut into blocks")
        return self.decode(hidden, labels)

    def encode(self, images: Tensor) -> Tensor | None:
        """Latents (n, latent_dim) whose images are nearest to `images` in squared error, where a formula gives them.

        images: (n, channels, height, width), in [0, 1]. None: the prior has no such formula.
        """
        return None

    def draw_known(self, identity: Tensor) -> Tensor | None:
        """Images of people whose identity parameters are known (n, parameters); None if the prior has no such thing."""
        return None

    def sample_latents(self, n: int, random: torch.Generator) -> Tensor:
        return torch.randn(n, self.latent_dim, generator=random, device=random.device)


@torch.no_grad()
def check_prior(prior: Prior, channels: int, resolution: int, device: torch.device, classes: int = 1) -> None:
    """Raise InputError unless the prior makes finite images in [0, 1] of the given shape."""
    random = generator(0, "prior check", device=device)
    latents = prior.sample_latents(8, random)
    labels = torch.arange(8, device=device) % classes if prior.conditional else None
    images = prior.decode(latents, labels)
    expected = (channels, resolution, resolution)
    if images.ndim != 4 or tuple(images.shape[1:]) != expected:
        raise InputError(
            f"prior '{prior.name}' makes images of shape {tuple(images.shape[1:])}, but the target takes {expected} "
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

    All attacks of a study choose their starts from the same samples. The arrays are NumPy's for Ray's object store.
    """

    latents: np.ndarray
    images: np.ndarray


@torch.no_grad()
def render_samples(prior: Prior, n: int, seed: int, device: torch.device, batch_size: int = 256) -> PriorSamples:
    """Draw `n` latents and render their images."""
    latents = prior.sample_latents(n, generator(seed, "prior samples", device=device))
    images = [to_uint8(prior.decode(part)).cpu() for part in latents.split(batch_size)]
    return PriorSamples(latents.cpu().numpy(), torch.cat(images).numpy())


def to_uint8(images: Tensor) -> Tensor:
    """Convert float images in [0, 1] to uint8."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8)
