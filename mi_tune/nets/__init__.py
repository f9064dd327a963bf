"""Classifiers by name. Each takes float images in [0, 1] (pixel space) and normalises them itself."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any, SupportsIndex, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.nets.changed_parts import ChangedParts, changed_parts, parts_of
from mi_tune.nets.conv_attention import ConvAttention
from mi_tune.nets.own import NetworkSource, own_network
from mi_tune.nets.published import PUBLISHED, sized
from mi_tune.nets.residual import ResidualGroupNorm
from mi_tune.nets.small_cnn import SmallCNN
from mi_tune.nets.strided_cnn import StridedCNN
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import did_you_mean

ARCHITECTURES: dict[str, Callable[[int, int, int], nn.Module]] = {
    "small_cnn": SmallCNN,
    "small_cnn_slim": partial(SmallCNN, width=8),
    "residual_gn": ResidualGroupNorm,
    "conv_attention": ConvAttention,
    "strided_cnn_slim": partial(StridedCNN, width=16),
    "strided_cnn": partial(StridedCNN, width=24),
    "strided_cnn_wide": partial(StridedCNN, width=32),
}
"""This project's own architectures by name: functions of (classes, channels, resolution)."""
TIMM = "timm:"
"""What stands before the name of an architecture of timm."""

Module = TypeVar("Module", bound=nn.Module)


class Classifier(nn.Module):
    """A backbone after a normalisation, so that all callers pass images in pixel space.

    The normalisation is x -> (x - 0.5) / 0.5, or the one that `normalise_by` sets. Grey images are repeated to three
    channels for the backbones of torchvision and timm. A backbone that is `raw`, as every user's own, gets the pixels
    as they are. Images are resized to `side` first, if it is given.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(
        self, backbone: nn.Module, repeat_channels: int = 1, raw: bool = False, side: int | None = None
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.repeat_channels = repeat_channels
        self.raw = raw
        self.side = side
        self.frozen: tuple[str, ...] = ()
        self.own: tuple[str, int, int, int] | None = None  # what a user's own backbone was created from
        self.made: dict[str, Any] = {}  # and what it was made of, before a defence changed it
        self.register_buffer("mean", None)
        self.register_buffer("std", None)

    def normalise_by(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Use another normalisation, x -> (x - mean) / std, with one value per input channel of the backbone, or one
        for all. It is kept with the weights."""
        self.mean, self.std = (torch.tensor(list(values)).view(-1, 1, 1) for values in (mean, std))

    def freeze(self, modules: tuple[str, ...]) -> None:
        """Keep these modules of the backbone in evaluation mode, whatever mode the classifier is set to."""
        self.frozen = modules
        self.train(self.training)

    def train(self, mode: bool = True) -> Classifier:
        super().train(mode)
        for name in self.frozen:
            self.backbone.get_submodule(name).eval()
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """A user's own backbone is pickled as its source, weights and what a defence has changed.

        Other processes do not find its class by name.
        """
        if self.own is None:
            return super().__reduce_ex__(protocol)
        learning = [name for name, value in self.named_parameters() if value.requires_grad]
        return _rebuilt, (self.own, self.state_dict(), learning, changed_parts(self, self.made))

    def __deepcopy__(self, memo: dict[int, Any]) -> Classifier:
        new = self.__class__.__new__(self.__class__)
        memo[id(self)] = new
        new.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return new

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, height, width) in [0, 1]."""
        if self.side is not None and images.shape[-1] != self.side:
            size = (self.side, self.side)
            images = F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)
        if self.mean is not None and self.std is not None:
            x = (images - self.mean) / self.std
        else:
            x = images if self.raw else images * 2 - 1
        if self.repeat_channels > 1:
            x = x.expand(-1, self.repeat_channels, -1, -1)
        return self.backbone(x)


def _rebuilt(
    own: tuple[str, int, int, int], state: dict[str, Tensor], learning: list[str], changed: ChangedParts
) -> Classifier:
    model = create_classifier(*own, seed=0)
    changed.put_into(model)
    if "mean" in state:
        model.normalise_by(*(state[name].flatten().tolist() for name in ("mean", "std")))
    model.load_state_dict(state)
    for name, value in model.named_parameters():
        value.requires_grad_(name in learning)
    return model


def create_classifier(name: str, classes: int, channels: int, resolution: int, seed: int) -> Classifier:
    """Create a classifier with random initial weights.

    Args:
        name: a name from `ARCHITECTURES` or `PUBLISHED`, any classification model of torchvision (without its weights),
            `timm:` and the name of one of timm, or a user's own: `package.module:factory` or `path/to/file.py:factory`.
            `NAME@SIDE` is the network for SIDE px, which resizes its images to that first.
        classes: number of classes.
        channels, resolution: shape of the images.
        seed: seeds the initialisation; the state of the global random generator is kept.

    Raises:
        InputError: unknown name (the message offers similar ones), and as `own_network` does. `check_size` tells before
            whether the architecture takes the resolution.
    """
    check_architecture(name)
    asked = (name, classes, channels, resolution)
    name, side = sized(name)
    resolution = side or resolution
    if is_own(name):
        model = Classifier(own_network(name, classes, channels, resolution, seed), raw=True, side=side)
        model.own, model.made = asked, parts_of(model)
        return model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name in ARCHITECTURES:
            return Classifier(ARCHITECTURES[name](classes, channels, resolution), side=side)
        repeat = 3 if channels == 1 else 1
        if name in PUBLISHED:
            published = PUBLISHED[name]
            return Classifier(published.make(classes, 3, resolution), repeat, published.raw, side)
        return Classifier(library_network(name, classes, resolution), repeat, side=side)


def check_architecture(name: str) -> None:
    """Raise InputError with similar names unless `name` is an architecture. Runs no user's code."""
    name, _ = sized(name)
    if name in ARCHITECTURES or name in PUBLISHED:
        return
    if name.startswith(TIMM):
        _check_timm(name)
        return
    if is_own(name):
        NetworkSource(name).check()
        return
    from torchvision import models
    from torchvision.models import list_models

    known = [*ARCHITECTURES, *PUBLISHED, *list_models(module=models)]
    if name not in known:
        raise InputError(f"unknown architecture '{name}'; {did_you_mean(name, known, otherwise=ARCHITECTURES)}")


def own_code(name: str) -> tuple[ModuleType, ...]:
    """The module of a user's own architecture, whose source text goes into cache keys; empty for others."""
    name, _ = sized(name)
    return (NetworkSource(name).module(),) if is_own(name) else ()


def is_own(name: str) -> bool:
    """Whether the name is the import path of a user's own network."""
    return ":" in name and not name.startswith(TIMM)


def _check_timm(name: str) -> None:
    try:
        import timm
    except ImportError:
        raise InputError(f"architecture '{name}': timm is not installed (pip install 'mi_tune[timm]')") from None
    model = name.removeprefix(TIMM)
    if not timm.is_model(model):
        known = [f"{TIMM}{one}" for one in timm.list_models()]
        raise InputError(f"unknown architecture '{name}'; {did_you_mean(name, known)}")


def library_network(name: str, classes: int, resolution: int, trial: bool = False, **options: Any) -> nn.Module:
    """A network of torchvision or timm. On `trial`, torchvision's slow initialisations are left out.

    options: further ones of timm's `create_model`.
    """
    if name.startswith(TIMM):
        import timm

        model = name.removeprefix(TIMM)
        try:
            return timm.create_model(model, num_classes=classes, img_size=resolution, **options)
        except TypeError:  # a network without position embeddings has no image size
            return timm.create_model(model, num_classes=classes, **options)
    from torchvision.models import get_model  # slow to import and rarely needed

    without = {"init_weights": not trial, "aux_logits": False} if name in ("inception_v3", "googlenet") else {}
    return get_model(name, weights=None, num_classes=classes, **without)


def head_of(model: nn.Module) -> nn.Linear:
    """The last linear layer of a model, which maps features to logits. Raises InputError if there is none."""
    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    if not layers:
        raise InputError(f"{type(model).__name__} has no linear layer, so its penultimate features are not defined")
    return layers[-1]


def place(module: Module, device: torch.device) -> Module:
    """Move a module to a device, with its convolutions in channels_last memory, which is faster on CPU and GPU."""
    return module.to(device).to(memory_format=torch.channels_last)


def parameter_count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
