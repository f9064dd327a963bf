"""The eigenface prior: a Gaussian over the principal components of the public images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from mi_tune.priors.base import Prior
from mi_tune.priors.small_moves import MOVES, Move, mirrored, same
from mi_tune.runtime.seeds import generator

HELD_OUT_SHARE = 0.99
"""Share of the variance of public people that the prior was not made from, which its components must explain."""

EXACT_PIXELS = 4096
"""Up to this number of values per image, the components come from the whole covariance matrix; above it, from a
randomised method that needs less memory."""
MOST_COMPONENTS = 1000
"""Largest number of components of larger images."""
FEW_IMAGES = 1000
"""Up to this number of public images, their small moves may be added."""
MOST_IMAGES = 6000
"""Largest number of images that decide the number of components; more would not change it."""
BLOCK = 512
"""Images that are converted to floats at a time."""


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


def fit_eigenfaces(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    components: int | None = None,
    device: torch.device | None = None,
) -> EigenfacePrior:
    """Fit the prior to public images and their mirror images.

    Without `components`, there are as many as it takes to draw people whom the prior was not made from: every fifth
    public person is held out, and the fewest components are taken that explain `HELD_OUT_SHARE` of the variance of
    their images. No judge takes part in this choice, and no private image. If few public images cannot explain that
    much, each is also moved a little (`small_moves`), which adds the directions that they lack.

    Args:
        images: uint8 (n, channels, height, width), at least 2. labels: of the people, int (n,); None holds out every
            fifth image instead. components: number of components, at most what the images give.
        device: to compute on; the prior is returned on the CPU.
    """
    device = device or torch.device("cpu")
    moves: Sequence[Move] = (same, mirrored)
    if components is None:
        components, explained = _enough_components(images, labels, moves, device)
        if explained < HELD_OUT_SHARE and len(images) <= FEW_IMAGES:
            moves = (*moves, *MOVES)
            components, _ = _enough_components(images, labels, moves, device)
    mean, basis, variance = principal_components(images, moves, components, device)
    return EigenfacePrior(mean.cpu(), basis.cpu(), variance.sqrt().cpu())


def _enough_components(
    images: np.ndarray, labels: np.ndarray | None, moves: Sequence[Move], device: torch.device
) -> tuple[int, float]:
    """The fewest components that explain `HELD_OUT_SHARE` of held-out images, or all; and what share all explain."""
    people = np.arange(len(images)) if labels is None or len(np.unique(labels)) < 5 else labels
    kept = np.linspace(0, len(images) - 1, min(MOST_IMAGES, len(images))).round().astype(int)
    images, held_out = images[kept], people[kept] % 5 == 4
    if held_out.sum() < 1 or (~held_out).sum() < 2:
        return len(images), 1.0
    mean, basis, _ = principal_components(images[~held_out], moves, device=device)
    explained, total = torch.zeros(len(basis), device=device), torch.zeros((), device=device)
    for flat in _blocks(images[held_out], (same,), device):
        centred = flat - mean.flatten()
        explained += (centred @ basis.T).square().sum(0)
        total += centred.square().sum()
    share = explained.cumsum(0) / total
    return min(int((share < HELD_OUT_SHARE).sum()) + 1, len(basis)), float(share[-1])


def principal_components(
    images: np.ndarray, moves: Sequence[Move], most: int | None = None, device: torch.device | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The principal components of images under several moves, with the largest variance first.

    Small images are decomposed exactly. Larger ones are decomposed by subspace iteration from a random start (Halko,
    Martinsson and Tropp, "Finding structure with randomness", 2011, algorithm 4.4), which keeps `most` vectors and one
    block of images in memory.

    Args:
        images: uint8 (n, channels, height, width). moves: every image is taken once under each.
        most: largest number of components; by default all of small images, and `MOST_COMPONENTS` of larger ones. There
            are fewer if the images do not vary in so many directions.

    Returns:
        mean (channels, height, width), basis (components, values) with orthonormal rows, variance (components,).
    """
    device = device or torch.device("cpu")
    count, size = len(images) * len(moves), int(np.prod(images.shape[1:]))
    if most is None:
        most = size if size <= EXACT_PIXELS else MOST_COMPONENTS
    mean = torch.zeros(size, dtype=torch.float64, device=device)
    for flat in _blocks(images, moves, device):
        mean += flat.sum(0, dtype=torch.float64)
    mean = (mean / count).float()
    most = min(most, count - 1, size)

    def spread_of(vectors: Tensor | None) -> Tensor:
        """The covariance matrix, or its product with vectors (size, k)."""
        width = size if vectors is None else vectors.shape[1]
        total = torch.zeros(size, width, device=device)
        for flat in _blocks(images, moves, device):
            centred = flat - mean
            total.addmm_(centred.T, centred if vectors is None else centred @ vectors)
        return total / (count - 1)

    if size <= EXACT_PIXELS:
        variance, basis = torch.linalg.eigh(spread_of(None))
    else:
        start = torch.randn(
            size, min(most + 32, size), generator=generator(0, "components", device=device), device=device
        )
        vectors = torch.linalg.qr(start).Q
        for _ in range(_ITERATIONS):
            vectors = torch.linalg.qr(spread_of(vectors)).Q
        small = vectors.T @ spread_of(vectors)
        variance, inner = torch.linalg.eigh((small + small.T) / 2)
        basis = vectors @ inner
    variance, basis = variance.flip(0)[:most], basis.flip(1)[:, :most]
    varies = variance > variance[0] * 1e-7  # the rest is rounding
    return mean.view(images.shape[1:]), basis[:, varies].T.contiguous(), variance[varies]


_ITERATIONS = 2


def _blocks(images: np.ndarray, moves: Sequence[Move], device: torch.device) -> Iterator[Tensor]:
    """The images as floats in [0, 1], flat, one block under one move at a time."""
    for start in range(0, len(images), BLOCK):
        part = torch.from_numpy(images[start : start + BLOCK]).to(device).float() / 255
        for move in moves:
            yield move(part).flatten(1)
