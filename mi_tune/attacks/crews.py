"""The attacked people in crews: those whose candidates are in memory together, and what is kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mi_tune.attacks.batching import Parts
from mi_tune.priors.base import Prior, to_uint8
from mi_tune.runtime.errors import DivergedError
from mi_tune.runtime.seeds import generator

CREW_BYTES = 2**29
"""Bytes of a crew's images as floats, or of what is optimised in their place; at least one person's. An attack holds
about four times as much at once: images, a view of them, and what selects among them. 512 MiB are 2,700 candidates of
128 px or 890 of 224 px in RGB. The size follows from the attack and the images, not from the machine, and so does the
result."""

OPTIMISER_COPIES = 4
"""Arrays of the size of what is optimised: itself, its gradient, and two moments."""


class Crew:
    """People who are attacked together.

    Args:
        number: from 0. prior: of the attack's start. parts: batches that fit, shared by all crews.
        start: latents (people, candidates, dim). classes: int64 (people,).
    """

    def __init__(self, number: int, prior: Prior, parts: Parts, start: Tensor, classes: Tensor) -> None:
        self.number, self.prior, self.parts, self.start, self.classes = number, prior, parts, start, classes

    def random(self, seed: int, name: str) -> torch.Generator:
        """A random stream of this crew; the first crew has the stream of an attack in one piece."""
        return generator(seed, name, *([self.number] if self.number else []), device=self.start.device)

    def draw(self, latents: Tensor) -> Tensor:
        """Images of latents (people, k, dim), uint8 (people, k, channels, height, width), on the CPU.

        Raises DivergedError if they are not finite.
        """
        images = decoded(
            self.prior, latents.flatten(0, 1), self.classes.repeat_interleave(latents.shape[1]), self.parts
        )
        if not torch.isfinite(images).all():
            raise DivergedError(f"prior '{self.prior.name}' draws images that are not finite")
        return to_uint8(images).cpu().view(*latents.shape[:2], *images.shape[1:])


class Kept(NamedTuple):
    """The best results of every person, best first.

    images: uint8, or floats in [0, 1], (people, kept, channels, height, width). latents: (people, kept, dim).
    places: of each among the person's results, (people, kept).
    score: of all results, (people, results).
    """

    images: Tensor
    latents: Tensor
    places: Tensor
    score: Tensor

    @property
    def best_scores(self) -> Tensor:
        """Scores of what is kept, (people, kept)."""
        return self.score.gather(1, self.places)

    def better_of(self, other: Kept, keep: int) -> Kept:
        """Each result from the round in which its score is higher, this one if they are equal; the best `keep` of all.

        These are among the best `keep` of their own round, because no score falls by this.
        """
        score, improved = torch.maximum(self.score, other.score), other.score > self.score
        index = _ranking(score)[:, :keep]
        theirs = improved.gather(1, index)
        ours_at, theirs_at = ((kept.places[:, None] == index[..., None]).int().argmax(2) for kept in (self, other))

        def chosen(ours: Tensor, others: Tensor) -> Tensor:
            shape = (*index.shape, *[1] * (ours.ndim - 2))
            return torch.where(theirs.view(shape), _pick(others, theirs_at), _pick(ours, ours_at))

        return Kept(chosen(self.images, other.images), chosen(self.latents, other.latents), index, score)


def best_of(images: Tensor, latents: Tensor, score: Tensor, count: int) -> Kept:
    """The `count` results of every person with the highest scores.

    images: (people * results, channels, height, width). latents: (people * results, dim). score: (people, results).
    """
    index = _ranking(score)[:, :count]
    pick = lambda flat: _pick(flat.view(*score.shape, *flat.shape[1:]), index.to(flat.device))  # noqa: E731
    return Kept(pick(images), pick(latents), index, score)


def joined(crews: Sequence[Kept]) -> Kept:
    """What is kept of all people, given what is kept of each crew."""
    return Kept(*(torch.cat(column) for column in zip(*crews, strict=True)))


@torch.no_grad()
def decoded(prior: Prior, hidden: Tensor, labels: Tensor, parts: Parts, block: int = 0) -> Tensor:
    """Images (n, channels, height, width) of the inputs (n, size) of a block, for the classes `labels`."""
    (images,) = parts(lambda part, own: (prior.finish(part, block, own),), hidden, labels)
    return images


def _ranking(score: Tensor) -> Tensor:
    # a stable sort: among equal scores, the better start comes first, however many are kept
    return score.sort(dim=1, descending=True, stable=True).indices


def _pick(values: Tensor, indices: Tensor) -> Tensor:
    """values (people, candidates, ...) at indices (people, kept)."""
    index = indices.view(*indices.shape, *[1] * (values.ndim - 2)).expand(-1, -1, *values.shape[2:])
    return values.gather(1, index)
