"""What an attack returns."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Reconstructions:
    """What an attack returns.

    Args:
        images: uint8 (people, kept, channels, height, width), the best first. latents: (people, kept, latent_dim), at
            the generator's input. confidence: (people, kept), the selection's score. start_images: the best starts, in
            the shape of `images`.
        forward_passes, backward_passes: images through the target. surrogate_passes: images through models that the
            attacker trained, forwards and backwards together.
        batch: images at a time at the end, if a batch did not fit into the GPU's memory; else None.
        seconds: in total. prepare_seconds: of these, for students and priors of its own.
    """

    images: Tensor
    latents: Tensor
    confidence: Tensor
    start_images: Tensor
    forward_passes: int
    backward_passes: int
    seconds: float
    surrogate_passes: int = 0
    prepare_seconds: float = 0.0
    batch: int | None = None
