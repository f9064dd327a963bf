"""A gallery: the private people, enrolled with an embedding that none of their images has trained.

Each person is enrolled as a template, the mean embedding of their training images. An image belongs to the person with
the most similar template (identification), or to every person whose template is similar enough (verification). The
embedding is that of the verifier, which learns to tell public people apart, or of a recogniser from outside.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.data import Bank, Split
from mi_tune.judging import intervals
from mi_tune.judging.intervals import Estimate, class_interval, per_class_mean
from mi_tune.nets.training import predict
from mi_tune.runtime.cache import cached, content_key
from mi_tune.runtime.errors import InputError


@dataclass(frozen=True)
class Embedding:
    """Networks that map images to features, and how these are compared.

    Args:
        name: for tables and reports.
        encoders: networks that map images in [0, 1] to features (n, features_k).
        mirrored: whether each image is embedded together with its mirror image.
        key: content key of the networks and what they do before.
    """

    name: str
    encoders: tuple[nn.Module, ...]
    mirrored: bool
    key: str

    def __call__(self, images: Tensor, device: torch.device) -> Tensor:
        """Embeddings, unit vectors (n, features), on the CPU, of images (n, channels, height, width).

        images: uint8 or float in [0, 1].

        Each network's features are scaled to length 1, those of the mirror image are added if `mirrored`, and the sum
        is scaled to length 1 again. The networks' results are concatenated, so that the cosine of two embeddings is
        the mean of the networks' cosines.
        """
        parts = []
        for encoder in self.encoders:
            encoder.to(device)
            unit = F.normalize(predict(encoder, images, device))
            if self.mirrored:
                unit = F.normalize(unit + F.normalize(predict(encoder, images.flip(3), device)))
            parts.append(unit)
        return torch.cat(parts, 1) / math.sqrt(len(parts))


@dataclass(frozen=True)
class Gallery:
    """An embedding with the templates of the private people.

    Args:
        embedding: of the images.
        templates: unit vectors (classes, features), made from the private training images.
        threshold: a cosine similarity above it is accepted.
        far: false accept rate: at most this share of impostor pairs is above the threshold. An impostor pair is a real
            private val or test image with another person's template.
        rank1: share of each class's real test images that are identified, (classes,). rank5: share whose person is
            among the five most similar.
        tar: share of them that are accepted as their own person, the true accept rate, (classes,).
        key: content key of the embedding and the enrolment.
    """

    embedding: Embedding
    templates: Tensor
    threshold: float
    far: float
    rank1: np.ndarray
    rank5: np.ndarray
    tar: np.ndarray
    key: str

    @property
    def name(self) -> str:
        """The embedding's name."""
        return self.embedding.name

    @property
    def held_out_rank1(self) -> Estimate:
        """Mean of `rank1` with a class-level interval."""
        return class_interval(self.rank1)

    @property
    def held_out_tar(self) -> Estimate:
        """Mean of `tar` with a class-level interval."""
        return class_interval(self.tar)

    def describe(self) -> dict[str, Any]:
        """Its name, key and accuracies on real test images, as plain values."""
        found = self.held_out_rank1
        return {
            "name": self.name,
            "fingerprint": self.key,
            "held_out_accuracy": found.value,
            "held_out_low": found.low,
            "held_out_high": found.high,
            "held_out_top5": float(self.rank5.mean()),
            "held_out_accepted": self.held_out_tar.value,
            "false_accept_rate": self.far,
        }

    def embed(self, images: Tensor, device: torch.device) -> np.ndarray:
        """Embeddings, unit vectors (n, features), of images (n, channels, height, width), uint8 or float in [0, 1]."""
        return self.embedding(images, device).numpy()

    def similarity(self, images: Tensor, device: torch.device) -> Tensor:
        """Cosine similarity of each image to each template, in [-1, 1], (n, classes), on the CPU.

        images: (n, channels, height, width), uint8 or float in [0, 1].
        """
        return self.embedding(images, device) @ self.templates.T

    def answers(self, images: Tensor, classes: Tensor, device: torch.device) -> Answers:
        """All answers on reconstructions of the attacked classes.

        images: uint8, or float in [0, 1], (classes, kept, channels, height, width). classes: int64 (classes,).
        """
        similarity = self.similarity(images.flatten(0, 1), device).unflatten(0, images.shape[:2])
        own = similarity.gather(2, classes.cpu()[:, None, None].expand(-1, images.shape[1], 1))
        # ties count against the person
        rank = (similarity >= own).sum(2)
        return Answers(
            (rank <= 1).numpy(), (rank <= 5).numpy(), (own[..., 0] > self.threshold).numpy(), own[..., 0].numpy()
        )


class GalleryClassifier(nn.Module):
    """A gallery as a classifier: its logits are the cosine similarities to the people's templates."""

    def __init__(self, gallery: Gallery) -> None:
        super().__init__()
        self.gallery = gallery

    def forward(self, images: Tensor) -> Tensor:
        return self.gallery.similarity(images, images.device)


@dataclass(frozen=True)
class Answers:
    """A gallery's answers on reconstructions, each (classes, kept).

    rank1: whether the attacked person's template is the most similar one. rank5: whether it is among the five most
    similar. accepted: whether its similarity is above the threshold. similarity: to that template, in [-1, 1].
    """

    rank1: np.ndarray
    rank5: np.ndarray
    accepted: np.ndarray
    similarity: np.ndarray


def enrol(embedding: Embedding, private: Bank, split: Split, device: torch.device, far: float = 1e-2) -> Gallery:
    """Enrol the people of `private`, or load their gallery from the cache.

    far: false accept rate that sets the threshold, in (0, 1).
    """
    people = (private.fingerprint(), *(part.tolist() for part in vars(split).values()))
    key = content_key(embedding.key, embedding.mirrored, *people, far, modules=CODE)
    stored = cached("enrolment", key, lambda: _enrolment(embedding, private, split, far, device))
    shares = {name: stored[name].numpy() for name in ("rank1", "rank5", "tar")}
    return Gallery(embedding, stored["templates"], stored["threshold"], far, **shares, key=key)


def _enrolment(embedding: Embedding, private: Bank, split: Split, far: float, device: torch.device) -> dict:
    """The `templates`, `threshold`, `rank1`, `rank5` and `tar` of a `Gallery`, to be stored."""
    images, labels = private.tensors()
    people = F.one_hot(labels, private.identities)
    train = torch.from_numpy(split.train)
    templates = F.normalize(people[train].T.float() @ embedding(images[train], device))
    others = torch.from_numpy(np.concatenate([split.val, split.test]))
    similarity = embedding(images[others], device) @ templates.T
    threshold = threshold_at(similarity[people[others] == 0], far)
    test_similarity = similarity[len(split.val) :]
    own = labels[split.test]
    of_own = test_similarity.gather(1, own[:, None])
    rank = (test_similarity >= of_own).sum(1)
    hits = {"rank1": rank <= 1, "rank5": rank <= 5, "tar": of_own[:, 0] > threshold}
    shares = {name: per_class_mean(hit.numpy(), own.numpy(), private.identities) for name, hit in hits.items()}
    return {
        "templates": templates,
        "threshold": threshold,
        **{name: torch.from_numpy(share) for name, share in shares.items()},
    }


def check_gallery(gallery: Gallery) -> None:
    """Raise InputError if the embedding cannot tell the enrolled people apart on their real images.

    Its rank-1 accuracy must be twice that of guessing at least, and at least one person in five must be identified.
    """
    people = len(gallery.rank1)
    found = gallery.held_out_rank1.value
    if found < max(2 / people, 0.2):
        raise InputError(
            f"the recogniser '{gallery.name}' identifies only {found:.0%} of the real test images of {people} people "
            f"(guessing: {1 / people:.0%}), so it cannot judge reconstructions; choose another one, or none "
            "(judge.recogniser: none)"
        )


def threshold_at(impostors: Tensor, far: float) -> float:
    """The lowest of the impostors' similarities (n,) that at most a share `far` of them exceeds."""
    return float(impostors.sort(descending=True).values[int(far * len(impostors))])


CODE = (sys.modules[__name__], intervals)
"""The code that decides an enrolment, besides the embedding and its data."""
