"""Initialisations: where the candidates of each person start in latent space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mi_tune.attacks.ground import Ground
from mi_tune.attacks.oracle import HardLabel, SoftLabel, soft_label
from mi_tune.priors.base import to_uint8
from mi_tune.runtime.seeds import generator


@dataclass(frozen=True)
class Normal:
    """Independent draws from the prior (GMI, Zhang et al., CVPR 2020)."""

    access = "hard-label"

    def __call__(self, oracle: HardLabel, ground: Ground, classes: Tensor, candidates: int, seed: int) -> Tensor:
        random = generator(seed, "init", device=oracle.device)
        return ground.prior.sample_latents(len(classes) * candidates, random).view(len(classes), candidates, -1)

    def passes(self, people: int, candidates: int, samples: int, conditional: bool) -> int:
        return 0

    def samples_needed(self, candidates: int) -> int:
        return 0


@dataclass(frozen=True)
class PriorMode:
    """The prior's likeliest latents, which are all 0: for eigenfaces the mean face. All candidates start there."""

    access = "hard-label"

    def __call__(self, oracle: HardLabel, ground: Ground, classes: Tensor, candidates: int, seed: int) -> Tensor:
        return torch.zeros(len(classes), candidates, ground.prior.latent_dim, device=oracle.device)

    def passes(self, people: int, candidates: int, samples: int, conditional: bool) -> int:
        return 0

    def samples_needed(self, candidates: int) -> int:
        return 0


@dataclass(frozen=True)
class BestOfSamples:
    """The prior samples with the highest confidence in the class, mean of the image and its mirror image.

    From PPA (Struppek et al., ICML 2022). A conditional prior draws a different image for every class. With such a
    prior, the candidates of a class are the best of `per_class` images that are drawn for it.
    """

    per_class: int = 32

    access = "soft-label"

    def __call__(self, oracle: HardLabel, ground: Ground, classes: Tensor, candidates: int, seed: int) -> Tensor:
        oracle = soft_label(oracle)
        if ground.prior.conditional:
            return self._of_each_class(oracle, ground, classes, candidates, seed)
        images = torch.from_numpy(ground.samples.images)
        score = (oracle.confidence(images) + oracle.confidence(images.flip(3))) / 2
        best = score[:, classes].sort(dim=0, descending=True, stable=True).indices[:candidates].T
        return torch.from_numpy(ground.samples.latents).to(oracle.device)[best]

    def passes(self, people: int, candidates: int, samples: int, conditional: bool) -> int:
        return 2 * (people * max(self.per_class, candidates) if conditional else samples)

    def samples_needed(self, candidates: int) -> int:
        return candidates

    @torch.no_grad()
    def _of_each_class(self, oracle: SoftLabel, ground: Ground, classes: Tensor, candidates: int, seed: int) -> Tensor:
        drawn = max(self.per_class, candidates)
        random = generator(seed, "init", device=oracle.device)
        latents = ground.prior.sample_latents(len(classes) * drawn, random)
        labels = classes.repeat_interleave(drawn)
        scores = []
        for z, y in zip(latents.split(512), labels.split(512), strict=True):
            images = to_uint8(ground.prior.decode(z, y))
            scores.append((oracle.confidence(images) + oracle.confidence(images.flip(3))).gather(1, y[:, None]) / 2)
        score = torch.cat(scores)
        best = score.view(len(classes), drawn).sort(dim=1, descending=True, stable=True).indices[:, :candidates]
        latents = latents.view(len(classes), drawn, -1)
        return latents.gather(1, best[..., None].expand(-1, -1, latents.shape[2]))


@dataclass(frozen=True)
class RejectToLabel:
    """Rejection sampling: prior samples that the target assigns to the class (BREP-MI, Kahla et al., CVPR 2022).

    The samples that were rendered in advance come first, then new draws. A class with too few hits repeats them. A
    class without any hit starts at draws of other classes.

    Args:
        draws: largest number of new latents, drawn in batches of `batch` while some class lacks candidates.
    """

    draws: int = 2000
    batch: int = 500

    access = "hard-label"

    @torch.no_grad()
    def __call__(self, oracle: HardLabel, ground: Ground, classes: Tensor, candidates: int, seed: int) -> Tensor:
        device, prior = oracle.device, ground.prior
        latents = torch.from_numpy(ground.samples.latents).to(device)
        labels = oracle.labels(torch.from_numpy(ground.samples.images))
        random = generator(seed, "init", device=device)
        for _ in range(self.draws // self.batch):
            counts = (labels == classes[:, None]).sum(1)
            if (counts >= candidates).all():
                break
            fresh = prior.sample_latents(self.batch, random)
            latents = torch.cat([latents, fresh])
            labels = torch.cat([labels, oracle.labels(to_uint8(prior.decode(fresh)))])
        hit = labels == classes[:, None]
        # hits first, in the order in which they were drawn, then all other draws
        order = hit.to(torch.int8).sort(dim=1, descending=True, stable=True).indices[:, :candidates]
        counts = hit.sum(1, keepdim=True)
        position = torch.arange(candidates, device=device).expand(len(classes), -1)
        wrapped = torch.where(counts > 0, position % counts.clamp_min(1), position)
        return latents[order.gather(1, wrapped)]

    def passes(self, people: int, candidates: int, samples: int, conditional: bool) -> int:
        return samples + self.draws // self.batch * self.batch

    def samples_needed(self, candidates: int) -> int:
        return max(0, candidates - self.draws // self.batch * self.batch)
