"""Recognisers: embeddings from outside, by name or from a user's own factory, as judges of a study."""

from __future__ import annotations

import sys
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.judging.faces import NAME as FACES
from mi_tune.judging.faces import face_embedding
from mi_tune.judging.gallery import Embedding
from mi_tune.runtime import imported
from mi_tune.runtime.cache import content_key, tensor_key
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import OwnModule, one_line
from mi_tune.runtime.seeds import generator
from mi_tune.setup import JudgeSetup

_CHECKED_IMAGES = 4


class RecogniserSource(OwnModule):
    """A user's own recogniser, a module from images in [0, 1] to embeddings (n, features): see `OwnModule`."""

    kind: ClassVar[str] = "recogniser"
    setting: ClassVar[str] = "judge.recogniser_weights"


class OwnRecogniser(nn.Module):
    """A user's recogniser behind the conversion of images to its own resolution and channels.

    It is pickled as its source, sizes and weights, because other processes cannot find classes from a file by name.
    """

    def __init__(self, source: RecogniserSource, resolution: int | None, channels: int | None) -> None:
        super().__init__()
        self.source, self.resolution, self.channels = source, resolution, channels
        self.module = source.build()

    def forward(self, images: Tensor) -> Tensor:
        if self.channels == 1 and images.shape[1] == 3:
            images = 0.299 * images[:, :1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:]
        elif self.channels is not None:
            images = images.expand(-1, self.channels, -1, -1)
        side = self.resolution
        if side is not None and images.shape[2:] != (side, side):
            images = F.interpolate(images, (side, side), mode="bicubic", antialias=True, align_corners=False).clamp(
                0, 1
            )
        try:
            return self.module(images)
        except Exception as error:
            raise InputError(f"{self.source}: fails on images {tuple(images.shape)} ({one_line(error)})") from error

    def __reduce__(self) -> tuple:
        return _rebuilt, (self.source, self.resolution, self.channels, self.state_dict())


def _rebuilt(
    source: RecogniserSource, resolution: int | None, channels: int | None, state: dict[str, Tensor]
) -> OwnRecogniser:
    recogniser = OwnRecogniser(source, resolution, channels)
    recogniser.load_state_dict(state)
    return recogniser.eval().requires_grad_(False)


def check_recogniser(setup: JudgeSetup) -> None:
    """Raise InputError if the recogniser is not installed, or its files or package are missing. Runs no user's code."""
    if setup.recogniser == FACES:
        face_embedding()
    elif ":" in setup.recogniser:
        RecogniserSource(setup.recogniser, setup.recogniser_weights).check()


def load_recogniser(setup: JudgeSetup, channels: int, resolution: int) -> Embedding:
    """The recogniser of a set-up that has one.

    Args:
        channels, resolution: of the study's images.

    Raises:
        InputError: it cannot be imported; its weights do not fit; or it does not return one finite embedding per image
            that depends on the image.
    """
    if setup.recogniser == FACES:
        return face_embedding()
    source = RecogniserSource(setup.recogniser, setup.recogniser_weights)
    encoder = OwnRecogniser(source, setup.recogniser_resolution, setup.recogniser_channels)
    source.load_weights(encoder.module)
    encoder.eval().requires_grad_(False)
    _check_embeddings(encoder, channels, resolution)
    state = {name: tensor_key(value) for name, value in encoder.module.state_dict().items()}
    modules = dict.fromkeys((source.module(), sys.modules[type(encoder.module).__module__]))
    key = content_key(
        *(setup.recogniser_resolution, setup.recogniser_channels, state),
        modules=(*modules, sys.modules[__name__], imported),
    )
    return Embedding(setup.recogniser.rpartition(":")[2], (encoder,), mirrored=False, key=key)


@torch.no_grad()
def _check_embeddings(encoder: OwnRecogniser, channels: int, resolution: int) -> None:
    source = encoder.source
    images = torch.rand(_CHECKED_IMAGES, channels, resolution, resolution, generator=generator(0, "recogniser check"))
    try:
        found = encoder(images)
    except InputError as error:
        raise InputError(
            f"{error}; give the size it takes (judge.recogniser_resolution, judge.recogniser_channels)"
        ) from error
    shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != _CHECKED_IMAGES:
        raise InputError(f"{source}: gives {shape} for {_CHECKED_IMAGES} images, not embeddings (n, features)")
    if not torch.isfinite(found).all():
        raise InputError(f"{source}: its embeddings have NaN or infinite values; check its weights")
    if torch.allclose(found, found[:1].expand_as(found), atol=1e-6):
        raise InputError(f"{source}: gives all images the same embedding; check its weights and that it is trained")
