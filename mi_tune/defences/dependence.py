"""BiDO: features that depend little on the image and much on the label."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.defences.defence import Defence, Limits
from mi_tune.nets.guards import Guard, Step
from mi_tune.runtime.errors import InputError

SIGMA = 5.0
"""Width of the Gaussian kernel; its variance is sigma^2 times the number of values."""
RIDGE = 1e-5
"""Ridge of the normalised kernel, times the batch size."""


def gaussian_kernel(values: Tensor) -> Tensor:
    """exp(-|a - b|^2 / (2 sigma^2 d)) between all rows of (n, d): (n, n)."""
    return torch.exp(-(torch.cdist(values, values) ** 2) / (2 * SIGMA**2 * values.shape[1]))


def linear_kernel(values: Tensor) -> Tensor:
    """Inner products between all rows of (n, d): (n, n)."""
    return values @ values.T


def hsic(first: Tensor, second: Tensor) -> Tensor:
    """Normalised Hilbert-Schmidt independence criterion of two kernel matrices (n, n); 0 for independent values.

    Fukumizu et al. (NIPS 2007): the trace of the product of K (K + ridge n I)^-1 over both centred kernels.
    """
    return (_normalised(first) * _normalised(second).T).sum()


def _normalised(kernel: Tensor) -> Tensor:
    n = len(kernel)
    centred = kernel - kernel.mean(1, keepdim=True)
    ridge = RIDGE * n * torch.eye(n, dtype=kernel.dtype, device=kernel.device)
    # R = K (K + r)^-1, solved from its transpose
    return torch.linalg.solve((centred + ridge).T, centred.T).T


def coco(first: Tensor, second: Tensor) -> Tensor:
    """Constrained covariance of two kernel matrices (n, n), as BiDO uses it: sqrt(|K L|_F) / n, both centred."""
    norm = torch.linalg.matrix_norm(_centred(first) @ _centred(second))
    return (norm + 1e-12).sqrt() / len(first)


def _centred(kernel: Tensor) -> Tensor:
    return kernel - kernel.mean(0, keepdim=True) - kernel.mean(1, keepdim=True) + kernel.mean()


def hidden_layers(model: nn.Module, images: Tensor) -> list[str]:
    """Names of the modules that give the last feature map of each size below the image's, in order of the pass.

    These are the outputs of the stages of a residual network, and of the blocks of a plain one. Empty if there are no
    feature maps.
    """
    last: dict[tuple[int, ...], str] = {}
    names = {module: name for name, module in model.named_modules() if name}

    def seen(module: nn.Module, inputs: tuple, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            size = tuple(output.shape[2:])
            if size != (1, 1) and size[0] < images.shape[2]:
                last[size] = names[module]

    hooks = [module.register_forward_hook(seen) for module in names]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(images)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return list(last.values())


class _Dependence(Guard):
    """Adds a1 * sum_l dep(hidden_l, image) - a2 * sum_l dep(hidden_l, label) to the loss."""

    def __init__(self, model: nn.Module, layers: list[str], measure: str, classes: int, a1: float, a2: float) -> None:
        super().__init__()
        self.dependence = hsic if measure == "hsic" else coco
        self.classes, self.a1, self.a2 = classes, a1, a2
        self._seen: dict[str, Tensor] = {}
        self._listens = False  # only to the steps of the training, not to copies of the model
        for name in layers:
            model.get_submodule(name).register_forward_hook(self._keep(name))

    def _keep(self, name: str):  # type: ignore[no-untyped-def]  # a hook of torch, whose type has no name
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            if self._listens:
                self._seen[name] = output

        return hook

    def before(self, images: Tensor, random: torch.Generator) -> None:
        self._seen.clear()
        self._listens = True

    def after(self) -> None:
        self._listens = False

    def end(self) -> None:
        self._seen.clear()

    def loss(self, loss: Tensor, step: Step) -> Tensor:
        with _full_precision(step.images.device):
            labels = step.labels if step.labels.ndim == 2 else F.one_hot(step.labels, self.classes)
            of_images = gaussian_kernel(step.images.flatten(1).double())
            of_labels = linear_kernel(labels.double())
            total = loss.double()
            for hidden in self._seen.values():
                kernel = gaussian_kernel(hidden.flatten(1).double())
                total = total + self.a1 * self.dependence(kernel, of_images)
                total = total - self.a2 * self.dependence(kernel, of_labels)
        return total.to(loss.dtype)


@contextlib.contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    with torch.autocast(device.type, enabled=False):
        yield


@dataclass(frozen=True)
class _Bido(Defence):
    """BiDO: loss = CE + a1 sum_l dep(hidden_l, image) - a2 sum_l dep(hidden_l, label).

    Peng et al., "Bilateral Dependency Optimization" (KDD 2022), with the kernels of its public code: Gaussian for
    images and features, linear for labels. The hidden layers are those of `hidden_layers`.

    Args:
        a1: price of what the features tell of the image. a2: reward for what they tell of the label.
    """

    a1: float
    a2: float

    part: ClassVar[str] = "features"
    cost: ClassVar[float] = 2.0
    undone_by: ClassVar[tuple[str, ...]] = ("taa:reduced", "clean_student:reduced")  # its gradients are noisy

    @property
    def active(self) -> bool:
        return self.a1 > 0 or self.a2 > 0

    def check(self, model: nn.Module, classes: int) -> None:
        if not any(isinstance(module, nn.Conv2d) for module in model.modules()):
            raise InputError(f"defence {self.kind}: the network has no feature maps; it needs a convolutional one")

    def guard(self, model: nn.Module, images: Tensor, classes: int, seed: int) -> Guard:
        probe = images[:2].float() / (255 if images.dtype == torch.uint8 else 1)
        layers = hidden_layers(model, probe)
        if not layers:
            raise InputError(f"defence {self.kind}: the network has no feature maps smaller than the image")
        return _Dependence(model, layers, "coco" if self.kind == "bido_coco" else "hsic", classes, self.a1, self.a2)


@dataclass(frozen=True)
class BidoHsic(_Bido):
    """BiDO with the normalised HSIC; (0.05, 0.5) for CelebA as published, (0.05, 2) in MIBench."""

    a1: float = 0.05
    a2: float = 0.5

    kind: ClassVar[str] = "bido"
    title: ClassVar[str] = "BiDO (HSIC)"
    limits: ClassVar[dict[str, Limits]] = {
        "a1": Limits(0, 100, (0.005, 0.5), log=True),
        "a2": Limits(0, 100, (0.05, 5.0), log=True),
    }


@dataclass(frozen=True)
class BidoCoco(_Bido):
    """BiDO with the constrained covariance; (5, 50) for CelebA as published."""

    a1: float = 5.0
    a2: float = 50.0

    kind: ClassVar[str] = "bido_coco"
    title: ClassVar[str] = "BiDO (COCO)"
    limits: ClassVar[dict[str, Limits]] = {
        "a1": Limits(0, 1000, (0.5, 50.0), log=True),
        "a2": Limits(0, 1000, (5.0, 500.0), log=True),
    }
