"""The promises that attacks rely on in a prior, as a check that a user's own can be put through."""

from __future__ import annotations

import torch

from mi_tune.priors.base import Prior, check_prior
from mi_tune.runtime.errors import require
from mi_tune.runtime.seeds import generator

_CPU = torch.device("cpu")
_IMAGES = 6


def check_prior_contract(prior: Prior, classes: int = 3) -> None:
    """Check a prior on the CPU. classes: of a conditional prior.

    Raises InputError unless the prior

    - makes finite images in [0, 1] of its `channels` and `resolution`, as `base.check_prior` asks;
    - makes each image from its own latent alone, whatever the batch, and always the same;
    - hands gradients to the latents;
    - gives the same images when it is taken block by block (`advance`, `finish`);
    - encodes images that it can draw so that it draws them again, if it can `encode`;
    - scores each image's `realism` with one finite number, if it has a discriminator;
    - draws other images for other labels, if it is `conditional`.
    """
    check_prior(prior, prior.channels, prior.resolution, _CPU, classes)
    latents = prior.sample_latents(_IMAGES, generator(0, "prior contract", device=_CPU))
    labels = torch.arange(_IMAGES) % classes if prior.conditional else None
    images = prior.decode(latents, labels)
    require(torch.equal(images, prior.decode(latents, labels)), prior, "makes other images of the same latents")
    alone = torch.cat(
        [prior.decode(latents[k : k + 1], None if labels is None else labels[k : k + 1]) for k in range(2)]
    )
    require(_alike(alone, images[:2]), prior, "makes an image that depends on the others of its batch")
    leaf = latents.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(prior.decode(leaf, labels).sum(), leaf)
    require(
        bool(torch.isfinite(gradient).all() and gradient.abs().sum() > 0), prior, "hands no gradient to its latents"
    )
    hidden = latents
    for block in range(prior.blocks):
        require(_alike(prior.finish(hidden, block, labels), images), prior, f"gives other images from block {block}")
        if block + 1 < prior.blocks:
            hidden = prior.advance(hidden, block)
    encoded = prior.encode(images)
    if encoded is not None:
        again = prior.decode(encoded, labels)
        worse = float((again - images).square().mean()) > 0.05 * float(images.var())
        require(not worse, prior, "encodes its own images as latents of other images")
    if prior.realism is not None:
        score = prior.realism(images)
        require(score.shape == (_IMAGES,) and bool(torch.isfinite(score).all()), prior, "gives no score per image")
    if labels is not None:
        others = prior.decode(latents, (labels + 1) % classes)
        require(not torch.equal(others, images), prior, "draws the same image for every label")


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, atol=1e-4)
