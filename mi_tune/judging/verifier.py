"""A verifier: it compares faces, and learnt to on other people alone.

A judge that was trained on the private images shares them with the targets, and may take for a person what only
looks like him to a network trained on these images. The verifier's networks learn to tell the public people apart.
A private person is then a template, the mean embedding of his training images, and an image belongs to the person
whose template is most similar (identification), or to every person whose template is similar enough (verification).
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
from mi_tune.nets import conv_attention, cosine, residual, small_cnn, training
from mi_tune.nets.cosine import create_cosine_classifier, take_off_head
from mi_tune.nets.training import Recipe, Training, predict
from mi_tune.runtime.cache import cached, content_key
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed


@dataclass(frozen=True)
class VerifierRecipe:
    """Architectures and training of the verifier's networks.

    Args:
        architectures: one network each, whose similarities are averaged.
        views: training images a network sees in all, rounded up to whole epochs: what training costs does not depend
            on how many public images there are. `training.epochs` is not used.
        scale: of the cosine head's logits.
    """

    architectures: tuple[str, ...] = ("small_cnn", "conv_attention")
    views: int = 16_000
    scale: float = 16.0
    training: Recipe = Recipe(batch_size=64, affine=True)


@dataclass(frozen=True)
class Verifier:
    """Networks trained on public people, with the private people's templates.

    Args:
        encoders: give features (n, features_k) for images in [0, 1].
        templates: unit vectors (classes, features), of the private training images.
        threshold: similarities above it are accepted. At most a share `far` of the impostor pairs is: real private
            val and test images against other people's templates.
        rank1: how often the real test images of each class are identified, (classes,).
        tar: how often they are accepted as their own person, the true accept rate, (classes,).
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
        return class_interval(self.rank1)

    @property
    def held_out_tar(self) -> Estimate:
        return class_interval(self.tar)

    def embed(self, images: Tensor, device: torch.device) -> np.ndarray:
        """Unit vectors (n, features) of uint8 images, or float images in [0, 1]."""
        return embed(self.encoders, images, device).numpy()

    def similarity(self, images: Tensor, device: torch.device) -> Tensor:
        """Cosines in [-1, 1], (n, classes) on the CPU, of uint8 images, or float images in [0, 1], to all templates."""
        return embed(self.encoders, images, device) @ self.templates.T

    def identified(self, images: Tensor, classes: Tensor, device: torch.device) -> np.ndarray:
        """Whether the attacked person's template is the most similar one: bool (classes, kept).

        images: uint8, or float in [0, 1], (classes, kept, channels, height, width). classes: int64 (classes,).
        """
        return self._by_class(images, device).argmax(2).eq(classes[:, None]).numpy()

    def accepted(self, images: Tensor, classes: Tensor, device: torch.device) -> np.ndarray:
        """Whether the attacked person's template is similar enough: bool (classes, kept). Arguments as above."""
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
    """Train the networks on `public` and enrol the people of `private`, or find both in the cache.

    Raises:
        InputError: there is only one public identity, so there is nothing to tell apart; or the architecture cannot
            take the images.
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
    """Train the networks, or find them in the cache; and their content key. No private image can reach them here."""
    key = content_key(public.fingerprint(), dataclasses.asdict(recipe), seed, modules=CODE)

    def fresh(number: int) -> nn.Module:
        weights = derive_seed(seed, "verifier", number, "weights")
        return create_cosine_classifier(
            recipe.architectures[number], public.identities, public.channels, public.resolution, recipe.scale, weights
        )

    def make() -> dict:
        whole = dataclasses.replace(recipe.training, epochs=math.ceil(recipe.views / len(public)))
        everything = torch.arange(len(public))
        states = []
        for number in range(len(recipe.architectures)):
            stream = derive_seed(seed, "verifier", number, "training")
            run = Training(fresh(number), *public.tensors(), everything, whole, stream, device)
            while not run.finished:
                run.train_epoch()
            states.append(run.model.cpu().state_dict())
        return {"states": states}

    encoders = []
    for number, state in enumerate(cached("verifier", key, make)["states"]):
        model = fresh(number)
        model.load_state_dict(state)
        model.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
        encoders.append(take_off_head(model))
    return tuple(encoders), key


def embed(encoders: tuple[nn.Module, ...], images: Tensor, device: torch.device) -> Tensor:
    """Unit vectors (n, features) on the CPU, of uint8 images or float images in [0, 1].

    Each network's unit vectors of an image and its mirror image are averaged; side by side, the networks' averages
    make cosines the mean of theirs.
    """
    views = (images, images.flip(3))
    parts = [
        F.normalize(sum(F.normalize(predict(encoder.to(device), view, device)) for view in views))
        for encoder in encoders
    ]
    return torch.cat(parts, 1) / math.sqrt(len(parts))


def enrol(encoders: tuple[nn.Module, ...], private: Bank, split: Split, far: float, device: torch.device) -> dict:
    """Templates, the threshold, and by class how often test images are identified (rank1) and accepted (tar)."""
    images, labels = private.tensors()
    people = F.one_hot(labels, private.identities)
    train = torch.from_numpy(split.train)
    templates = F.normalize(people[train].T.float() @ embed(encoders, images[train], device))
    others = torch.from_numpy(np.concatenate([split.val, split.test]))
    similarity = embed(encoders, images[others], device) @ templates.T
    threshold = threshold_at(similarity[people[others] == 0], far)
    tested = similarity[len(split.val) :]
    own = labels[split.test]
    hits = {
        "rank1": tested.argmax(1) == own,
        "tar": tested.gather(1, own[:, None])[:, 0] > threshold,
    }
    shares = {name: per_class_mean(hit.numpy(), own.numpy(), private.identities) for name, hit in hits.items()}
    return {
        "templates": templates,
        "threshold": threshold,
        **{name: torch.from_numpy(share) for name, share in shares.items()},
    }


def threshold_at(impostors: Tensor, far: float) -> float:
    """The least of the impostors' similarities (n,) that no more than a share `far` of them exceeds."""
    return float(impostors.sort(descending=True).values[int(far * len(impostors))])


CODE = (sys.modules[__name__], training, nets, cosine, small_cnn, residual, conv_attention, augment, intervals)
"""What decides a verifier beside its data and recipe."""
