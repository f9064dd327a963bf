"""Where the candidates of each class start in latent space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mi_tune.attacks.oracle import WhiteBox
from mi_tune.priors.base import Prior, PriorSamples
from mi_tune.seeds import generator


@dataclass(frozen=True)
class Normal:
    """Independent draws from the prior (GMI)."""

    def __call__(
        self,
        oracle: WhiteBox,
        prior: Prior,
        samples: PriorSamples,
        classes: Tensor,
        candidates: int,
        seed: int,
    ) -> Tensor:
        """Latents (classes, candidates, latent_dim)."""
        random = generator(seed, "init", device=oracle.device)
        return prior.sample_latents(len(classes) * candidates, random).view(len(classes), candidates, -1)


@dataclass(frozen=True)
class BestOfSamples:
    """The samples that the target is surest of for the class, over the image and its mirror image (PPA)."""

    def __call__(
        self,
        oracle: WhiteBox,
        prior: Prior,
        samples: PriorSamples,
        classes: Tensor,
        candidates: int,
        seed: int,
    ) -> Tensor:
        """Latents (classes, candidates, latent_dim), the most confident first."""
        images = torch.from_numpy(samples.images)
        score = (oracle.confidence(images) + oracle.confidence(images.flip(3))) / 2
        best = score[:, classes].sort(dim=0, descending=True, stable=True).indices[:candidates].T
        return torch.from_numpy(samples.latents).to(oracle.device)[best]
