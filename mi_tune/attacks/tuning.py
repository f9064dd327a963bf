"""Prior tuning: fine-tune the prior on the reconstructions of a first round, then attack again."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from mi_tune.attacks.ground import Ground
from mi_tune.priors.base import Prior
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import generator


@dataclass(frozen=True)
class PriorTuning:
    """PPDG-MI's tuning (Peng et al., NeurIPS 2024): make the prior draw what the first round found more often.

    The best `per_class` reconstructions of every class are pseudo-private images. The latents of each are multiplied by
    `shrink`, which moves them towards the prior's centre, where its density is higher. The generator is tuned to draw
    the image from there, while other latents keep their images. The authors search for a neighbour of high density with
    LPIPS and a discriminator. Here, without pretrained weights, images are compared by their pixels at three scales.

    Args:
        steps, learning_rate, batch_size: of Adam on the generator (published: 150 steps, 3e-4 at 224 px).
        keep_weight: weight of the term that keeps the images of other latents.
    """

    per_class: int = 4
    shrink: float = 0.6
    steps: int = 150
    learning_rate: float = 1e-3
    batch_size: int = 32
    keep_weight: float = 0.5

    def check(self, prior: Prior) -> None:
        """Raise InputError for a prior without weights that can be tuned."""
        if not _weights(copy.deepcopy(prior)):
            raise InputError(f"prior '{prior.name}' has no weights that could be tuned; use prior eigenface or dcgan")

    def tune(
        self, ground: Ground, images: Tensor, latents: Tensor, classes: Tensor, score: Tensor, seed: int
    ) -> Ground:
        """The ground with a tuned copy of its prior.

        Args:
            images: (people * candidates, channels, height, width) in [0, 1]. latents: (people * candidates, dim).
            classes: int64 (people,). score: (people, candidates), higher is better.
        """
        best = score.argsort(dim=1, descending=True, stable=True)[:, : self.per_class]
        offset = torch.arange(len(score), device=best.device)[:, None] * score.shape[1]
        rows = (best + offset).flatten()
        anchors, wanted = latents[rows] * self.shrink, images[rows]
        labels = classes.repeat_interleave(best.shape[1])
        prior = ground.prior
        tuned = copy.deepcopy(prior)
        weights = _weights(tuned)
        optimiser = torch.optim.Adam(weights, lr=self.learning_rate)
        random = generator(seed, "tuning", device=latents.device)
        for _ in range(self.steps):
            pick = torch.randint(len(rows), (min(self.batch_size, len(rows)),), device=random.device, generator=random)
            others = prior.sample_latents(len(pick), random)
            drawn = tuned.decode(torch.cat([anchors[pick], others]), labels[pick].repeat(2))
            with torch.no_grad():
                before = prior.decode(others, labels[pick])
            loss = _distance(drawn[: len(pick)], wanted[pick])
            loss = loss + self.keep_weight * _distance(drawn[len(pick) :], before)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        for weight in weights:
            weight.requires_grad_(False)
        return replace(ground, prior=tuned.eval())


def _weights(prior: Prior) -> list[Tensor]:
    """The tensors that a prior draws with: its generator's parameters, or its float buffers if it has no parameters."""
    critic = set() if prior.realism is None else {id(p) for p in prior.realism.parameters()}
    found: list[Tensor] = [p for p in prior.parameters() if id(p) not in critic]
    found = found or [b for b in prior.buffers() if b.is_floating_point()]
    return [w.requires_grad_(True) for w in found]


def _distance(images: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference at full, half and quarter size."""
    scales = [(images, wanted)] + [(F.avg_pool2d(images, k), F.avg_pool2d(wanted, k)) for k in (2, 4)]
    return sum(((a - b).abs().mean() for a, b in scales), torch.zeros((), device=images.device))
