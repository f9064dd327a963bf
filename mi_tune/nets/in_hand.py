"""A trained classifier that the user has in hand, as a module that takes pixels in [0, 1]."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import one_line


class Normalised(nn.Module):
    """A backbone after the normalisation that it was trained with: (x - mean) / std of pixels in [0, 1].

    Args:
        mean, std: one value per input channel of the backbone; grey images are repeated to that many channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, height, width) in [0, 1]."""
        return self.backbone((images - self.mean) / self.std)


def classifier_in_hand(
    model: Any,
    classes: int,
    channels: int,
    resolution: int,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> nn.Module:
    """A copy of the user's classifier on the CPU, in evaluation mode; the user's own module is left as it is.

    Args:
        model: maps float images (n, channels, resolution, resolution) in [0, 1] to logits (n, classes); any device and
            mode.
        mean, std: normalisation that it expects instead of pixels in [0, 1], one value per input channel.

    Raises:
        InputError: no module, no or not finite weights, no logits of these classes, or a wrong normalisation.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"the model is a {type(model).__name__}, not a torch.nn.Module")
    name = type(model).__name__
    weights = [*model.named_parameters(), *model.named_buffers()]
    if any(value.device.type == "meta" for _, value in weights):
        raise InputError(f"model {name}: has no weights (device 'meta'); load them first")
    for key, value in weights:
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(f"model {name}: '{key}' holds NaN or infinite values")
    try:
        # in evaluation mode, because in training mode an image's logits depend on the images beside it
        own = copy.deepcopy(model).cpu().float().eval()
    except Exception as error:
        raise InputError(f"model {name}: cannot be copied ({one_line(error)}); give a plain module") from error
    if (mean is None) != (std is None):
        raise InputError("mean and std go together; give both, or neither for a model that takes pixels in [0, 1]")
    if mean is not None and std is not None:
        own = Normalised(own, *_normalisation(mean, std)).eval()
    _check_outputs(own, name, classes, channels, resolution)
    return own


def _normalisation(mean: Sequence[float], std: Sequence[float]) -> tuple[list[float], list[float]]:
    values = [float(v) for v in mean], [float(v) for v in std]
    if len(values[0]) != len(values[1]) or not values[0]:
        raise InputError(f"mean {values[0]} and std {values[1]}: give one value of each per channel")
    if not all(math.isfinite(v) for v in (*values[0], *values[1])) or min(values[1]) <= 0:
        raise InputError(f"mean {values[0]} and std {values[1]}: give finite values, and std above 0")
    return values


def _check_outputs(model: nn.Module, name: str, classes: int, channels: int, resolution: int) -> None:
    images = torch.full((2, channels, resolution, resolution), 0.5)
    shape = f"{channels} x {resolution} x {resolution}"
    try:
        with torch.no_grad():
            logits = model(images)
    except Exception as error:
        raise InputError(
            f"model {name}: fails on images of {shape} ({one_line(error)}); check resolution, and that the images are "
            "those that it was trained on"
        ) from error
    if not isinstance(logits, Tensor):
        raise InputError(f"model {name}: returns a {type(logits).__name__}; wrap it so that it returns logits alone")
    if logits.ndim != 2 or len(logits) != len(images):
        raise InputError(f"model {name}: returns {tuple(logits.shape)} for 2 images; it must return (2, classes)")
    if logits.shape[1] != classes:
        raise InputError(
            f"model {name}: tells {logits.shape[1]} classes apart, but private holds {classes} people; give the people "
            "that it was trained on"
        )
    if not torch.isfinite(logits).all():
        raise InputError(f"model {name}: returns NaN or infinite logits for a grey image")
