"""Oracles: the access that an attacker has to the target, with a count of the passes that it makes.

There are three kinds: hard labels, soft labels, and white-box access to the whole model. Each has what the weaker ones
have. An attack gets the kind that its threat model names; methods that this kind lacks do not exist on it.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mi_tune.attacks.batching import in_parts
from mi_tune.nets import head_of, place
from mi_tune.nets.features import features_of
from mi_tune.runtime.device import autocast, comfortable_batch
from mi_tune.runtime.errors import InputError


class Answer(NamedTuple):
    """Logits (n, classes), and the penultimate features (n, features) if they were asked for."""

    logits: Tensor
    features: Tensor | None


class HardLabel:
    """Access to the target's predicted class alone. Counts every image that goes through the target.

    Args:
        classes: how many the target tells apart; None: the outputs of its last linear layer.
    """

    access = "hard-label"

    def __init__(self, target: nn.Module, device: torch.device, classes: int | None = None) -> None:
        self.classes = classes or head_of(target).out_features
        target = place(target, device).eval().requires_grad_(False)
        self.device = device
        self.forward_passes = 0
        self.backward_passes = 0
        self._target = target
        self._purify: Callable[[Tensor], Tensor] | None = getattr(target, "purify", None)
        self._key: str | None = None

    @property
    def key(self) -> str:
        """Hash of the target's weights and of how it answers, 16 hex digits: the cache key of what its answers make."""
        if self._key is None:
            digest = hashlib.sha256()
            for name, value in self._target.state_dict().items():
                digest.update(name.encode())
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
            if self._purify is not None:  # two targets of the same weights may answer differently
                digest.update(repr(self._purify).encode())
            self._key = digest.hexdigest()[:16]
        return self._key

    def charge(self, forward: int, backward: int = 0) -> None:
        """Count passes that were made earlier, for something that now comes from the cache."""
        self.forward_passes += forward
        self.backward_passes += backward

    @torch.no_grad()
    def labels(self, images: Tensor) -> Tensor:
        """The predicted classes, int64 (n,), of uint8 images or float images in [0, 1]."""
        return self._softmax(images).argmax(1)

    def _softmax(self, images: Tensor) -> Tensor:
        def ask(part: Tensor) -> tuple[Tensor]:
            x = part.to(self.device)
            return (self._ask(x.float() / 255 if x.dtype == torch.uint8 else x).softmax(1),)

        return self._published(in_parts(ask, comfortable_batch(self.device), images)[0])

    def _published(self, probabilities: Tensor) -> Tensor:
        """What the target's owner lets out of its probabilities."""
        return probabilities if self._purify is None else self._purify(probabilities)

    def _ask(self, images: Tensor) -> Tensor:
        with autocast(self.device):
            answer = self._target(images.contiguous(memory_format=torch.channels_last)).float()
        self.forward_passes += len(images)  # not before, because a batch that does not fit is asked again
        return answer


class SoftLabel(HardLabel):
    """Access to the target's probabilities, without gradients."""

    access = "soft-label"

    @torch.no_grad()
    def confidence(self, images: Tensor) -> Tensor:
        """Softmax (n, classes) without gradients, of uint8 images or float images in [0, 1]."""
        return self._softmax(images)


class WhiteBox(SoftLabel):
    """Access to the model itself: logits with gradients, features, weights.

    The target is in evaluation mode. Its parameters are frozen, because an attack needs the gradient with respect to
    the image alone, and gradients of the weights would cost a third of its time. Its batch norms are folded into the
    convolutions before them, which does not change its function.
    """

    access = "white-box"

    def __init__(self, target: nn.Module, device: torch.device, classes: int | None = None) -> None:
        super().__init__(target, device, classes)
        self._whole = self._target
        self._target = folded(self._target).to(memory_format=torch.channels_last)

    def _published(self, probabilities: Tensor) -> Tensor:
        return probabilities  # whoever holds the network does not ask its owner

    @property
    def key(self) -> str:
        if self._key is None:
            self._key = HardLabel(self._whole, self.device, self.classes).key
        return self._key

    def answer(self, images: Tensor, features: bool = False) -> Answer:
        """Logits, float32, of images (n, channels, height, width) in [0, 1]; differentiable if the images are.

        features: whether to return the penultimate features as well.
        """
        found = None
        if features:
            with features_of(self._target) as seen:
                logits = self._ask(images)
            found = seen[0].float()
        else:
            logits = self._ask(images)
        if torch.is_grad_enabled() and images.requires_grad:
            self.backward_passes += len(images)  # only now, as for forward passes
        return Answer(logits, found)

    def logits(self, images: Tensor) -> Tensor:
        """See `answer`."""
        return self.answer(images).logits

    def features(self, images: Tensor) -> Tensor:
        """Penultimate features (n, features), float32; see `answer`."""
        found = self.answer(images, features=True).features
        assert found is not None
        return found

    def copy(self) -> nn.Module:
        """A trainable copy of the target."""
        return copy.deepcopy(self._whole).requires_grad_(True)


ORACLES: dict[str, type[HardLabel]] = {kind.access: kind for kind in (HardLabel, SoftLabel, WhiteBox)}


def open_oracle(access: str, target: nn.Module, device: torch.device, classes: int | None = None) -> HardLabel:
    """The oracle for a threat model.

    Args:
        access: `white-box`, `soft-label` or `hard-label`. classes: see `HardLabel`.

    Raises:
        InputError: another access.
    """
    if access not in ORACLES:
        raise InputError(f"unknown access '{access}'; choose from {', '.join(ORACLES)}")
    return ORACLES[access](target, device, classes)


def soft_label(oracle: HardLabel) -> SoftLabel:
    """The oracle as one that answers with probabilities. Raises InputError if it does not."""
    if not isinstance(oracle, SoftLabel):
        raise InputError(f"this part of the attack needs soft-label access, but the oracle has only {oracle.access}")
    return oracle


def white_box(oracle: HardLabel) -> WhiteBox:
    """The oracle as one that opens the whole model. Raises InputError if it does not."""
    if not isinstance(oracle, WhiteBox):
        raise InputError(f"this part of the attack needs white-box access, but the oracle has only {oracle.access}")
    return oracle


def folded(model: nn.Module) -> nn.Module:
    """A copy for evaluation, with every batch norm that directly follows a convolution folded into it."""
    model = copy.deepcopy(model).eval()
    for parent in model.modules():
        if not isinstance(parent, nn.Sequential):
            continue
        for (first, conv), (second, norm) in pairwise(list(parent.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats:
                setattr(parent, first, fuse_conv_bn_eval(conv, norm))
                setattr(parent, second, nn.Identity())
    return model.requires_grad_(False)
