"""Drawing given images as well as a prior can: what the best of all attackers with this prior could return."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mi_tune.priors.base import Prior, PriorSamples, to_uint8

STEPS = 300
RESTARTS = 4
"""Starts per image, of which the one with the smallest error is kept."""
LEARNING_RATE = 0.1

Around = Callable[[Tensor], Callable[[Tensor, Tensor], Tensor]]
"""Takes starts (n, latent_dim); returns the projection onto the allowed latents, see `attacks.constraints`."""


def draw(
    prior: Prior,
    images: Tensor,
    around: Around,
    samples: PriorSamples,
    device: torch.device,
    batch_size: int = 256,
    steps: int = STEPS,
) -> Tensor:
    """The images of a prior that are nearest to given ones in squared error, with latents that a constraint allows.

    A prior that has a closed form (`Prior.encode`) uses it. For others, Adam runs from the `RESTARTS` nearest of the
    prior's samples, and each image keeps its best result.

    Args:
        images: uint8 (n, channels, height, width). around: of the constraint. samples: of the prior.
        steps: of Adam.

    Returns:
        uint8, in the shape of `images`, on the CPU.
    """
    drawn = [_draw(prior, part, around, samples, device, steps) for part in images.split(batch_size)]
    return torch.cat(drawn) if drawn else images


def _draw(
    prior: Prior, images: Tensor, around: Around, samples: PriorSamples, device: torch.device, steps: int
) -> Tensor:
    wanted = images.to(device).float() / 255
    with torch.no_grad():
        exact = prior.encode(wanted)
        if exact is not None:
            everyone = torch.arange(len(exact), device=device)
            return to_uint8(prior.decode(around(exact)(exact, everyone))).cpu()
    restarts = min(RESTARTS, len(samples.latents))
    start = _nearest(samples, images, restarts).to(device)
    project, rows = around(start), torch.arange(len(start), device=device)
    target = wanted.repeat_interleave(restarts, 0)
    latents = project(start, rows).clone().requires_grad_()
    optimiser = torch.optim.Adam([latents], LEARNING_RATE)
    best = torch.full((len(start),), torch.inf, device=device)
    kept = torch.zeros_like(target)
    for step in range(steps + 1):
        made = prior.decode(latents)
        error = (made - target).square().flatten(1).mean(1)
        with torch.no_grad():
            better = error < best
            best = torch.where(better, error, best)
            kept[better] = made[better]
        if step < steps:
            optimiser.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / steps)
            (latents.grad,) = torch.autograd.grad(error.sum(), latents)
            optimiser.step()
            with torch.no_grad():
                latents.copy_(project(latents, rows))
    chosen = best.view(-1, restarts).argmin(1) + torch.arange(len(images), device=device) * restarts
    return to_uint8(kept[chosen]).cpu()


def _nearest(samples: PriorSamples, images: Tensor, count: int) -> Tensor:
    """Latents (n * count, latent_dim) of the samples that are nearest to each image."""
    made = torch.from_numpy(samples.images).flatten(1).float()
    distance = torch.cdist(images.flatten(1).float(), made)
    return torch.from_numpy(samples.latents)[distance.topk(count, largest=False).indices.flatten()]
