"""Baselines: what an attacker gets without optimising anything. An attack must beat them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mi_tune.attacks import Ground, SoftLabel, inits, oracle
from mi_tune.attacks.inits import BestOfSamples
from mi_tune.nets import features
from mi_tune.priors.base import to_uint8

IMAGES_PER_CLASS = 4
CODE = (inits, oracle, features)


@torch.no_grad()
def best_samples(target: SoftLabel, ground: Ground, classes: Tensor) -> Tensor:
    """The prior's samples with the highest confidence of the target, uint8 (classes, kept, channels, height, width)."""
    latents = BestOfSamples()(target, ground, classes, IMAGES_PER_CLASS, 0)
    prior = ground.prior.to(target.device).eval()
    images = torch.cat([to_uint8(prior.decode(part)).cpu() for part in latents.flatten(0, 1).split(256)])
    return images.view(*latents.shape[:2], *images.shape[1:])


@torch.no_grad()
def nearest_public(target: SoftLabel, ground: Ground, classes: Tensor) -> Tensor:
    """The public images with the highest confidence of the target, uint8 (classes, kept, channels, height, width)."""
    images = torch.from_numpy(ground.public)
    score = (target.confidence(images) + target.confidence(images.flip(3))) / 2
    best = score[:, classes].sort(dim=0, descending=True, stable=True).indices[:IMAGES_PER_CLASS].T.cpu()
    return images[best]


BASELINES: dict[str, Callable[[SoftLabel, Ground, Tensor], Tensor]] = {
    "best prior samples": best_samples,
    "nearest public images": nearest_public,
}
