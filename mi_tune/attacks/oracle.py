"""What an attacker may ask of the target, and the count of what it asked.

Three kinds of access, each with what the weaker ones have: hard labels, soft labels, the whole model. An attack is
given the kind that its threat model names, and what that kind lacks is not there to be called.
"""

from __future__ import annotations

import copy
import hashlib
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mi_tune.nets import head_of
from mi_tune.nets.features import features_of
from mi_tune.runtime.device import autocast, comfortable_batch
from mi_tune.runtime.errors import InputError


class Answer(NamedTuple):
    """Logits (n, classes), and the penultimate features (n, features) where they were asked for."""

    logits: Tensor
    features: Tensor | None


class HardLabel:
    """The target's decision alone. Counts every image that goes through the target.

    classes: how many the target tells apart; where missing, what its last linear layer gives.
    """

    access = "hard-label"

    def __init__(self, target: nn.Module, device: torch.device, classes: int | None = None) -> None:
        self.classes = classes or head_of(target).out_features
        target = target.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
        self.device = device
        self.forward_passes = 0
        self.backward_passes = 0
        self._target = target
        self._key: str | None = None

    @property
    def key(self) -> str:
        """16 hex digits of the target's weights: what is made with a target's help is stored under it."""
        if self._key is None:
            digest = hashlib.sha256()
            for name, value in self._target.state_dict().items():
                digest.update(name.encode())
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
            self._key = digest.hexdigest()[:16]
        return self._key

    def charge(self, forward: int, backward: int = 0) -> None:
        """Count passes that were made when something now found in the cache was made."""
        self.forward_passes += forward
        self.backward_passes += backward

    @torch.no_grad()
    def labels(self, images: Tensor) -> Tensor:
        """The target's class, int64 (n,), of uint8 images or float images in [0, 1]."""
        return self._softmax(images).argmax(1)

    def _softmax(self, images: Tensor) -> Tensor:
        parts = []
        for part in images.split(comfortable_batch(self.device)):
            x = part.to(self.device)
            parts.append(self._ask(x.float() / 255 if x.dtype == torch.uint8 else x).softmax(1))
        return torch.cat(parts)

    def _ask(self, images: Tensor) -> Tensor:
        self.forward_passes += len(images)
        with autocast(self.device):
            return self._target(images.contiguous(memory_format=torch.channels_last)).float()


class SoftLabel(HardLabel):
    """The target's probabilities, without gradients."""

    access = "soft-label"

    @torch.no_grad()
    def confidence(self, images: Tensor) -> Tensor:
        """Softmax (n, classes) without gradients, of uint8 images or float images in [0, 1]."""
        return self._softmax(images)


class WhiteBox(SoftLabel):
    """The model itself: logits with gradients, features, weights.

    The target is put in evaluation mode, its parameters are frozen (an attack needs the gradient of the image alone,
    and the weights' gradients would cost a third of its time), and its batch norms are folded into the convolutions
    before them, which leaves the function as it is.
    """

    access = "white-box"

    def __init__(self, target: nn.Module, device: torch.device, classes: int | None = None) -> None:
        super().__init__(target, device, classes)
        self._whole = self._target
        self._target = folded(self._target).to(memory_format=torch.channels_last)

    @property
    def key(self) -> str:
        if self._key is None:
            self._key = HardLabel(self._whole, self.device, self.classes).key
        return self._key

    def answer(self, images: Tensor, features: bool = False) -> Answer:
        """Logits, float32, of images (n, channels, height, width) in [0, 1], with gradients where images have them."""
        if torch.is_grad_enabled() and images.requires_grad:
            self.backward_passes += len(images)
        if not features:
            return Answer(self._ask(images), None)
        with features_of(self._target) as seen:
            logits = self._ask(images)
        return Answer(logits, seen[0].float())

    def logits(self, images: Tensor) -> Tensor:
        """See `answer`."""
        return self.answer(images).logits

    def copy(self) -> nn.Module:
        """A trainable copy of the target, for an attacker who wants to change it."""
        return copy.deepcopy(self._whole).requires_grad_(True)


ORACLES: dict[str, type[HardLabel]] = {kind.access: kind for kind in (HardLabel, SoftLabel, WhiteBox)}


def open_oracle(access: str, target: nn.Module, device: torch.device, classes: int | None = None) -> HardLabel:
    """The oracle of a threat model: `white-box`, `soft-label` or `hard-label`. Raises InputError for another name."""
    if access not in ORACLES:
        raise InputError(f"unknown access '{access}'; choose from {', '.join(ORACLES)}")
    return ORACLES[access](target, device, classes)


def folded(model: nn.Module) -> nn.Module:
    """A copy for evaluation in which every batch norm that directly follows a convolution has become part of it."""
    model = copy.deepcopy(model).eval()
    for parent in model.modules():
        if not isinstance(parent, nn.Sequential):
            continue
        for (first, conv), (second, norm) in pairwise(list(parent.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats:
                setattr(parent, first, fuse_conv_bn_eval(conv, norm))
                setattr(parent, second, nn.Identity())
    return model.requires_grad_(False)
