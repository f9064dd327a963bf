"""Architectures of the literature on model inversion, by name, and how the field's checkpoints name their weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from mi_tune.nets import inception_resnet, ir, resizable, vgg_linear
from mi_tune.nets.inception_resnet import InceptionResNetV1
from mi_tune.nets.ir import IR50, IR152
from mi_tune.nets.vgg_linear import VGGLinear

CODE = (vgg_linear, ir, inception_resnet, resizable)
"""The modules whose source text decides these networks, for cache keys."""


@dataclass(frozen=True)
class Published:
    """An architecture of the literature.

    Args:
        make: a function of (classes, channels, resolution); it takes RGB.
        least: the smallest side of images in pixels. multiple: the side must be a multiple of it.
        raw: whether it takes pixels in [0, 1] as they are, as the 64 px line does, not normalised ones.
        renamed: what stands at the beginning of names in the field's checkpoints, and what we call it.
        says: what the literature calls it.
    """

    make: Callable[[int, int, int], nn.Module]
    least: int
    says: str
    multiple: int = 1
    raw: bool = False
    renamed: tuple[tuple[str, str], ...] = ()

    def takes(self, resolution: int) -> bool:
        """Whether it takes images of this side in pixels."""
        return resolution >= self.least and resolution % self.multiple == 0


# The 64 px line wraps face.evoLVe's backbone as `feature`. `FaceNet64` and `IR152` keep its head beside it,
# `FaceNet` (112 px) within it. Its identity layers come from face.evoLVe's release under the backbone's own names.
_EVOLVE = (("feature.", ""),)

PUBLISHED: dict[str, Published] = {
    "vgg16_linear": Published(VGGLinear, 32, "VGG16 (64 px line)", raw=True),
    "ir50": Published(IR50, 16, "FaceNet64; FaceNet as ir50@112", raw=True, renamed=_EVOLVE),
    "ir152": Published(IR152, 16, "IR152", raw=True, renamed=_EVOLVE),
    "inception_resnet_v1": Published(InceptionResNetV1, 75, "Inception-ResNet-v1 (FaceNet)"),
    "vit_b_16_small": Published(resizable.vit_b_16, 32, "ViT-B/16 for smaller images", multiple=16),
    "maxvit_t_small": Published(resizable.maxvit_t, 32, "MaxViT-T for smaller images", multiple=32),
}
"""Those that neither torchvision nor timm has, or has at one size only."""

_SIDE = re.compile(r"^(.+)@(\d+)$")


def sized(name: str) -> tuple[str, int | None]:
    """Split `NAME@SIDE`: a network that resizes its images to SIDE px first; the side is None without `@`.

    >>> sized("ir50@112"), sized("resnet18")
    (('ir50', 112), ('resnet18', None))
    """
    found = _SIDE.match(name)
    return (found[1], int(found[2])) if found else (name, None)


def renamed(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """A checkpoint's weights under our names; as they are where the architecture has no table."""
    table = PUBLISHED[name].renamed if name in PUBLISHED else ()
    found = {}
    for key, value in state.items():
        for theirs, ours in table:
            if key.startswith(theirs):
                key = ours + key.removeprefix(theirs)
        found[key] = value
    return found
