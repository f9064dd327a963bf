"""A verifier: a face embedding that is trained on public people only.

A judge trained on the private images shares its training data with the targets. It may take for a person what only
resembles them to networks trained on those images. The verifier's networks instead learn to tell public people apart.
Each private person is enrolled as a template, the mean embedding of their training images. An image belongs to the
person with the most similar template (identification), or to every person whose template is similar enough
(verification).
"""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune import nets
from mi_tune.data import Bank, Split, augment
from mi_tune.judging import intervals
from mi_tune.judging.intervals import Estimate, class_interval, per_class_mean
from mi_tune.nets import conv_attention, cosine, place, residual, small_cnn, training
from mi_tune.nets.cosine import create_cosine_classifier, remove_head
from mi_tune.nets.training import Recipe, Training, predict
from mi_tune.runtime.cache import cached, content_key
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed


@dataclass(frozen=True)
class VerifierRecipe:
    """Architectures and training of the verifier's networks.

    Args:
        architectures: one network is trained of each; their cosine similarities are averaged.
        views: total number of training images that a network sees, rounded up to whole epochs. So the cost of training
            does not depend on the number of public images. `training.epochs` is not used.
        scale: factor of the cosine head's logits.
    """

    architectures: tuple[str, ...] = ("small_cnn", "conv_attention")
    views: int = 16_000
    scale: float = 16.0
    training: Recipe = Recipe(batch_size=64, affine=True)


@dataclass(frozen=True)
class Verifier:
    """Networks trained on public people, with the templates of the private people.

    Args:
        encoders: networks that map images in [0, 1] to features (n, features_k).
        templates: unit vectors (classes, features), made from the private training images.
        threshold: a cosine similarity above it is accepted.
        far: false accept rate: at most this share of impostor pairs is above the threshold. An impostor pair is a real
            private val or test image with another person's template.
        rank1: share of each class's real test images that are identified, (classes,).
        tar: share of them that are accepted as their own person, the true accept rate, (classes,).
        key: content key of the networks and the enrolment.
    """

    encoders: tuple[nn.Module, ...]
    templates: Tensor
    threshold: float
    far: float
    rank1: np.ndarray
    tar: np.ndarray
    key: str

    @property
    def held_out_rank1(self) -> Estimate:
        """Mean of `rank1` with a class-level interval."""
        return class_interval(self.rank1)

    @property
    def held_out_tar(self) -> Estimate:
        """Mean of `tar` with a class-level interval."""
        return class_interval(self.tar)

    def embed(self, images: Tensor, device: torch.device) -> np.ndarray:
        """Embeddings, unit vectors (n, features), of images (n, channels, height, width), uint8 or float in [0, 1]."""
        return embed(self.encoders, images, device).numpy()

    def similarity(self, images: Tensor, device: torch.device) -> Tensor:
        """Cosine similarity of each image to each template, in [-1, 1], (n, classes), on the CPU.

        images: (n, channels, height, width), uint8 or float in [0, 1].
        """
        return embed(self.encoders, images, device) @ self.templates.T

    def identified(self, images: Tensor, classes: Tensor, device: torch.device) -> np.ndarray:
        """Whether the attacked person's template is the most similar one: bool (classes, kept).

        images: uint8, or float in [0, 1], (classes, kept, channels, height, width). classes: int64 (classes,).
        """
        return self._by_class(images, device).argmax(2).eq(classes[:, None]).numpy()

    def accepted(self, images: Tensor, classes: Tensor, device: torch.device) -> np.ndarray:
        """Whether the similarity to the attacked person is above `threshold`: bool (classes, kept).

        The arguments are those of `identified`.
        """
        own = classes[:, None, None].expand(-1, images.shape[1], 1)
        return self._by_class(images, device).gather(2, own)[..., 0].gt(self.threshold).numpy()

    def _by_class(self, images: Tensor, device: torch.device) -> Tensor:
        return self.similarity(images.flatten(0, 1), device).unflatten(0, images.shape[:2])


def train_verifier(
    public: Bank,
    private: Bank,
    split: Split,
    recipe: VerifierRecipe,
    seed: int,
    device: torch.device,
    far: float = 1e-2,
) -> Verifier:
    """Train the networks on `public` and enrol the people of `private`, or load both from the cache.

    Args:
        far: false accept rate that sets the threshold, in (0, 1).

    Raises:
        InputError: there is only one public identity, so there is nobody to tell apart; or an architecture cannot take
            images of this resolution.
    """
    if public.identities < 2:
        raise InputError(
            f"the verifier learns to tell public people apart, but all {len(public)} public images belong to "
            f"'{public.names[0]}'; give --public DIR with one sub-folder per person"
        )
    encoders, trained_key = train_encoders(public, recipe, seed, device)
    key = content_key(trained_key, private.fingerprint(), *(part.tolist() for part in vars(split).values()), far)
    stored = cached("enrolment", key, lambda: enrol(encoders, private, split, far, device))
    return Verifier(
        encoders,
        stored["templates"],
        stored["threshold"],
        far,
        stored["rank1"].numpy(),
        stored["tar"].numpy(),
        key,
    )


def train_encoders(
    public: Bank, recipe: VerifierRecipe, seed: int, device: torch.device
) -> tuple[tuple[nn.Module, ...], str]:
    """Train the networks, or load them from the cache. Takes no private images.

    Returns:
        The encoders, and their content key.
    """
    key = content_key(public.fingerprint(), dataclasses.asdict(recipe), seed, modules=CODE)

    def untrained(number: int) -> nn.Module:
        weights = derive_seed(seed, "verifier", number, "weights")
        return create_cosine_classifier(
            recipe.architectures[number], public.identities, public.channels, public.resolution, recipe.scale, weights
        )

    def make() -> dict:
        training_recipe = dataclasses.replace(recipe.training, epochs=math.ceil(recipe.views / len(public)))
        all_images = torch.arange(len(public))
        states = []
        for number in range(len(recipe.architectures)):
            training_seed = derive_seed(seed, "verifier", number, "training")
            run = Training(untrained(number), *public.tensors(), all_images, training_recipe, training_seed, device)
            while not run.finished:
                run.train_epoch()
            states.append(run.model.cpu().state_dict())
        return {"states": states}

    encoders = []
    for number, state in enumerate(cached("verifier", key, make)["states"]):
        model = untrained(number)
        model.load_state_dict(state)
        place(model, device).eval().requires_grad_(False)
        encoders.append(remove_head(model))
    return tuple(encoders), key


def embed(encoders: tuple[nn.Module, ...], images: Tensor, device: torch.device) -> Tensor:
    """Embeddings, unit vectors (n, features), on the CPU, of images (n, channels, height, width).

    images: uint8 or float in [0, 1].

    Each network embeds the image and its mirror image, and averages the two unit vectors. The networks' averages are
    concatenated, so that the cosine of two embeddings is the mean of the networks' cosines.
    """
    mirrored = images.flip(3)
    parts = []
    for encoder in encoders:
        encoder.to(device)
        both = F.normalize(predict(encoder, images, device)) + F.normalize(predict(encoder, mirrored, device))
        parts.append(F.normalize(both))
    return torch.cat(parts, 1) / math.sqrt(len(parts))


def enrol(encoders: tuple[nn.Module, ...], private: Bank, split: Split, far: float, device: torch.device) -> dict:
    """Compute the `templates`, `threshold`, `rank1` and `tar` of a `Verifier` as a dict."""
    images, labels = private.tensors()
    people = F.one_hot(labels, private.identities)
    train = torch.from_numpy(split.train)
    templates = F.normalize(people[train].T.float() @ embed(encoders, images[train], device))
    others = torch.from_numpy(np.concatenate([split.val, split.test]))
    similarity = embed(encoders, images[others], device) @ templates.T
    threshold = threshold_at(similarity[people[others] == 0], far)
    test_similarity = similarity[len(split.val) :]
    own = labels[split.test]
    hits = {
        "rank1": test_similarity.argmax(1) == own,
        "tar": test_similarity.gather(1, own[:, None])[:, 0] > threshold,
    }
    shares = {name: per_class_mean(hit.numpy(), own.numpy(), private.identities) for name, hit in hits.items()}
    return {
        "templates": templates,
        "threshold": threshold,
        **{name: torch.from_numpy(share) for name, share in shares.items()},
    }


def threshold_at(impostors: Tensor, far: float) -> float:
    """The lowest of the impostors' similarities (n,) that at most a share `far` of them exceeds."""
    return float(impostors.sort(descending=True).values[int(far * len(impostors))])


CODE = (sys.modules[__name__], training, nets, cosine, small_cnn, residual, conv_attention, augment, intervals)
"""The code that decides a verifier, besides its data and recipe."""
