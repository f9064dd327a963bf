"""A verifier: a face embedding that is trained on public people only.

A judge trained on the private images shares its training data with the targets. It may take for a person what only
resembles them to networks trained on those images. The verifier's networks instead learn to tell public people apart,
and the private people are enrolled with them (`gallery`).
"""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass

import torch
from torch import nn

from mi_tune import nets
from mi_tune.data import Bank, Split, augment
from mi_tune.judging.gallery import Embedding, Gallery, enrol
from mi_tune.nets import conv_attention, cosine, place, residual, schedules, small_cnn, training
from mi_tune.nets.cosine import create_cosine_classifier, remove_head
from mi_tune.nets.training import Recipe, Training
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


def train_verifier(
    public: Bank,
    private: Bank,
    split: Split,
    recipe: VerifierRecipe,
    seed: int,
    device: torch.device,
    far: float = 1e-2,
) -> Gallery:
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
    encoders, key = train_encoders(public, recipe, seed, device)
    return enrol(Embedding("verifier", encoders, mirrored=True, key=key), private, split, device, far)


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


CODE = (sys.modules[__name__], training, schedules, nets, cosine, small_cnn, residual, conv_attention, augment)
"""The code that decides the networks, besides their data and recipe."""
