"""DP-SGD: clipped gradients of single images, with noise, through Opacus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mi_tune.defences.defence import Defence, Limits
from mi_tune.nets.guards import Guard
from mi_tune.runtime.errors import InputError

_IN_PLACE = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.LeakyReLU, nn.Hardswish, nn.Hardsigmoid, nn.ELU, nn.Dropout)


def _opacus() -> None:
    try:
        import opacus  # noqa: F401
    except ImportError:
        raise InputError("defence dp_sgd needs Opacus, which is not installed (pip install 'mi_tune[dp]')") from None


class _Private(Guard):
    def __init__(self, model: nn.Module, noise: float, clip: float) -> None:
        super().__init__()
        self.noise, self.clip = noise, clip
        self._model = [model]
        self._optimiser: list[torch.optim.Optimizer] = []

    def start(self, optimiser: torch.optim.Optimizer) -> torch.optim.Optimizer:
        from opacus import GradSampleModule
        from opacus.optimizers import DPOptimizer

        GradSampleModule(self._model[0])  # its hooks stay on the layers
        private = DPOptimizer(
            optimiser,
            noise_multiplier=self.noise,
            max_grad_norm=self.clip,
            expected_batch_size=1,  # of each step, see `before`
            loss_reduction="mean",
        )
        self._optimiser = [private]
        return private

    def before(self, images: Tensor, random: torch.Generator) -> None:
        images.requires_grad_(True)  # the first layer's hook wants a gradient of its input
        for private in self._optimiser:
            private.generator, private.expected_batch_size = random, len(images)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class DpSgd(Defence):
    """DP-SGD: the gradient of each image clipped to `clip`, summed, and normal noise of `noise` times `clip` added.

    Abadi et al., "Deep Learning with Differential Privacy" (CCS 2016), algorithm 1. Batch norms mix images, and become
    group norms. Batches are shuffled and not drawn by Poisson sampling, so that no epsilon is claimed.

    Args:
        noise: standard deviation as a multiple of the clip; MIBench's trainer has 0.01, which gives no guarantee.
        clip: largest L2 norm of an image's gradient.
    """

    noise: float = 0.01
    clip: float = 1.0

    kind: ClassVar[str] = "dp_sgd"
    title: ClassVar[str] = "DP-SGD"
    part: ClassVar[str] = "gradients"
    limits: ClassVar[dict[str, Limits]] = {
        "noise": Limits(0, 100, (0.01, 2.0), log=True),
        "clip": Limits(1e-6, 1e6, (0.1, 10.0), log=True),
    }
    excludes: ClassVar[tuple[str, ...]] = ("features", "adversarial images", "trapdoors", "head")
    cost: ClassVar[float] = 3.0

    def check(self, model: nn.Module, classes: int) -> None:
        _opacus()

    def rebuild(self, model: nn.Module, seed: int) -> None:
        _opacus()
        from opacus.validators import ModuleValidator

        for name, child in list(model.named_children()):
            setattr(model, name, ModuleValidator.fix(child))
        for module in model.modules():
            if isinstance(module, _IN_PLACE):
                module.inplace = False  # hooks on layers do not allow it

    def guard(self, model: nn.Module, images: Tensor, classes: int, seed: int) -> Guard:
        return _Private(model, self.noise, self.clip)
