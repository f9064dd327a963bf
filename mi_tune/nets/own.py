"""A user's own network: a factory `make(classes, channels, resolution)`, by its import path."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import OwnFactory, one_line

_CHECKED_IMAGES = 2


class NetworkSource(OwnFactory):
    """A user's own network, a function of (classes, channels, resolution) that returns an nn.Module: see `OwnFactory`.

    The module maps float images in [0, 1], (n, channels, resolution, resolution), to logits (n, classes); a
    normalisation is its own business.
    """

    kind: ClassVar[str] = "network"


def own_network(factory: str, classes: int, channels: int, resolution: int, seed: int) -> nn.Module:
    """Build and try a user's own network.

    Args:
        factory: `package.module:factory` or `path/to/file.py:factory`.
        classes: number of classes. channels, resolution: shape of the images.
        seed: seeds the global random generator while the factory runs; its state is kept.

    Raises:
        InputError: it cannot be imported, fails, returns no nn.Module, or the module fails on two images or does not
            give finite logits (2, classes).
    """
    source = NetworkSource(factory)
    made = source.call(classes, channels, resolution, seed=seed)
    if not isinstance(made, nn.Module):
        raise InputError(f"{source}: returns a {type(made).__name__}, not an nn.Module")
    _try(source, made, classes, channels, resolution)
    return made


@torch.no_grad()
def _try(source: NetworkSource, network: nn.Module, classes: int, channels: int, resolution: int) -> None:
    was_training = network.training
    images = torch.linspace(0, 1, _CHECKED_IMAGES * channels * resolution**2)
    images = images.view(_CHECKED_IMAGES, channels, resolution, resolution)
    try:
        found = network.eval()(images)  # eval, so that no running statistics are changed
    except Exception as error:
        raise InputError(f"{source}: its network fails on images {tuple(images.shape)} ({one_line(error)})") from error
    finally:
        network.train(was_training)
    shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if shape != (_CHECKED_IMAGES, classes):
        raise InputError(
            f"{source}: its network gives {shape} for {_CHECKED_IMAGES} images of {classes} classes, not logits "
            f"({_CHECKED_IMAGES}, {classes}); use the number of classes that make() is given"
        )
    if not torch.isfinite(found).all():
        raise InputError(f"{source}: its network's logits have NaN or infinite values; check its initial weights")
