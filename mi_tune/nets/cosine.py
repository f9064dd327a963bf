"""A classifier whose features compare people that it never saw: its last layer knows angles alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.nets import create_classifier, head_of


class CosineHead(nn.Linear):
    """Logits `scale` * cos(features, weights of each class), with no bias.

    Reference: Wang, Xiang, Cheng, Yuille, "NormFace: L2 hypersphere embedding for face verification" (arXiv
    1704.06369).
    """

    def __init__(self, features: int, classes: int, scale: float) -> None:
        super().__init__(features, classes, bias=False)
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        return self.scale * F.linear(F.normalize(features, dim=1), F.normalize(self.weight, dim=1))


def create_cosine_classifier(
    name: str, classes: int, channels: int, resolution: int, scale: float, seed: int
) -> nn.Module:
    """`create_classifier` with a cosine head in the last layer's place. Raises InputError."""
    model = create_classifier(name, classes, channels, resolution, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.set_submodule(_head_name(model), CosineHead(head_of(model).in_features, classes, scale))
    return model


def take_off_head(model: nn.Module) -> nn.Module:
    """The same model, which now gives its penultimate features (n, features) for logits."""
    model.set_submodule(_head_name(model), nn.Identity())
    return model


def _head_name(model: nn.Module) -> str:
    head = head_of(model)
    return next(name for name, module in model.named_modules() if module is head)
