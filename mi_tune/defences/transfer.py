"""TL-DMI: a network that learnt from public people, of which only the last layers learn from the private ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mi_tune.defences.defence import Defence, Limits
from mi_tune.nets.guards import Guard


class _Frozen(Guard):
    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self._layers = layers
        for layer in layers:
            layer.requires_grad_(False)

    def before(self, images: Tensor, random: torch.Generator) -> None:
        for layer in self._layers:
            layer.eval()  # the statistics of their norms stay those of the public people


def layers_with_weights(model: nn.Module) -> list[nn.Module]:
    """The modules of a network that hold weights themselves, in order."""
    return [module for module in model.modules() if list(module.parameters(recurse=False))]


@dataclass(frozen=True)
class TransferLearning(Defence):
    """TL-DMI: trained first to tell the public people apart, then with its first layers frozen on the private people.

    Ho et al., "Model Inversion Robustness: Can Transfer Learning Help?" (CVPR 2024). They freeze 26 of the 28 layers
    with weights of VGG-16, 46 of the 50 units of IR-152, and 6 of the 10 blocks of ResNet-18. Their public networks are
    those of ImageNet and MS-Celeb-1M; the public people of the study are the stand-in.

    Args:
        frozen: share of the layers with weights that keep what they learnt from the public people.
    """

    frozen: float = 0.6

    kind: ClassVar[str] = "tl_dmi"
    title: ClassVar[str] = "TL-DMI"
    part: ClassVar[str] = "start"
    limits: ClassVar[dict[str, Limits]] = {"frozen": Limits(0, 0.99, (0.1, 0.95))}
    needs_public: ClassVar[bool] = True

    def guard(self, model: nn.Module, images: Tensor, classes: int, seed: int) -> Guard:
        layers = layers_with_weights(model)
        return _Frozen(layers[: round(self.frozen * len(layers))])
