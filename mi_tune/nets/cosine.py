"""A classifier with a cosine head, whose features can compare people that it was not trained on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.nets import create_classifier, head_of


class CosineHead(nn.Linear):
    """Linear layer without bias whose logits are `scale` * cos(features, weights of the class).

    Source: Wang, Xiang, Cheng, Yuille, "NormFace: L2 hypersphere embedding for face verification" (arXiv
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
    """`create_classifier` with a `CosineHead` as last layer. Raises InputError as that does."""
    model = create_classifier(name, classes, channels, resolution, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.set_submodule(_head_name(model), CosineHead(head_of(model).in_features, classes, scale))
    return model


def remove_head(model: nn.Module) -> nn.Module:
    """Remove the last linear layer in place: the model then returns its penultimate features (n, features)."""
    model.set_submodule(_head_name(model), nn.Identity())
    return model


def _head_name(model: nn.Module) -> str:
    head = head_of(model)
    return next(name for name, module in model.named_modules() if module is head)
