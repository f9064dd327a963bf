"""The eigenface prior: a Gaussian over the principal components of the public images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mi_tune.priors.base import Prior


class EigenfacePrior(Prior):
    """x = clip(mean + basis^T (scale * z)), z standard normal: Turk and Pentland, "Eigenfaces for Recognition" (1991).

    Args:
        mean: (channels, height, width).
        basis: (components, channels * height * width), orthonormal rows.
        scale: (components,), standard deviation along each component.
    """

    name = "eigenface"
    blocks = 2  # their inputs are the latents, and the image before it is clipped
    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, basis: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("basis", basis)
        self.register_buffer("scale", scale)
        self.latent_dim = len(scale)
        self.channels, self.resolution = mean.shape[0], mean.shape[-1]

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.finish(self.advance(latents, 0), 1)

    def encode(self, images: Tensor) -> Tensor:
        # the basis is orthonormal, so each coordinate is found on its own; a bound on coordinates then only cuts them
        return (images.flatten(1) - self.mean.flatten()) @ self.basis.T / self.scale

    def advance(self, hidden: Tensor, block: int) -> Tensor:
        return self.mean.flatten() + (hidden * self.scale) @ self.basis

    def finish(self, hidden: Tensor, block: int, labels: Tensor | None = None) -> Tensor:
        if block == 0:
            return self.decode(hidden)
        return hidden.view(-1, *self.mean.shape).clamp(0, 1)


def fit_eigenfaces(images: np.ndarray, variance: float = 0.99, components: int = 128) -> EigenfacePrior:
    """Fit the prior to public images, uint8 (n, channels, height, width), and their mirror images.

    It keeps the fewest principal components that explain the share `variance`, at most `components`.
    """
    x = torch.from_numpy(images).float() / 255
    x = torch.cat([x, x.flip(3)])
    mean = x.mean(0)
    flat = (x - mean).flatten(1)
    max_rank = min(components, len(flat) - 1, flat.shape[1])
    _, singular, basis = torch.linalg.svd(flat, full_matrices=False)
    power = singular**2
    needed = int((power.cumsum(0) / power.sum() < variance).sum()) + 1
    rank = min(max_rank, needed)
    return EigenfacePrior(mean, basis[:rank].contiguous(), singular[:rank] / (len(flat) - 1) ** 0.5)
