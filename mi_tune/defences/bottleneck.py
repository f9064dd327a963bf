"""Defences in the head: a noisy bottleneck that is charged for what it lets through, and one of low rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.defences.defence import Defence, Limits
from mi_tune.nets import head_of
from mi_tune.nets.guards import Guard, Step
from mi_tune.nets.heads import replace_head
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed


def _check_head(kind: str, model: nn.Module, classes: int, least: int) -> None:
    head = head_of(model)
    if head.out_features != classes:
        raise InputError(f"defence {kind}: the network's last linear layer is no head of {classes} classes")
    if head.in_features < least:
        raise InputError(f"defence {kind}: the network's head has {head.in_features} features; it needs {least}")


class NoisyHead(nn.Module):
    """Features (n, d) to logits through k = d / 2 noisy values: mean + softplus(s - 5) * noise, then a linear layer.

    In evaluation mode there is no noise. `information` is the mean KL(N(mean, std) || N(0, 1)) of the latest images, in
    nats.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.width = features // 2
        self.encode = nn.Linear(features, 2 * self.width)
        self.classify = nn.Linear(self.width, classes)
        self.random: torch.Generator | None = None
        self.information: Tensor | None = None

    def forward(self, features: Tensor) -> Tensor:
        mean, spread = self.encode(features).chunk(2, dim=1)
        if not self.training:
            return self.classify(mean)
        mean, std = mean.float(), F.softplus(spread.float() - 5)
        self.information = 0.5 * (mean**2 + std**2 - 1 - 2 * std.log()).sum(1).mean()
        noise = torch.randn(mean.shape, device=mean.device, generator=self.random)
        return self.classify(mean + std * noise)

    def plain(self) -> nn.Linear:
        """The linear layer that it is in evaluation mode."""
        layer = nn.utils.skip_init(nn.Linear, self.encode.in_features, self.classify.out_features)
        mean = slice(self.width)
        with torch.no_grad():
            layer.weight.copy_(self.classify.weight @ self.encode.weight[mean])
            layer.bias.copy_(self.classify.weight @ self.encode.bias[mean] + self.classify.bias)
        return layer.to(self.classify.weight.device)


class _Charge(Guard):
    def __init__(self, head: NoisyHead, beta: float) -> None:
        super().__init__()
        self._head, self.beta = [head], beta  # in a list, so that its weights are not the guard's
        self._information: Tensor | None = None

    def before(self, images: Tensor, random: torch.Generator) -> None:
        self._head[0].random = random

    def after(self) -> None:
        self._information = self._head[0].information

    def loss(self, loss: Tensor, step: Step) -> Tensor:
        assert self._information is not None
        return loss + self.beta * self._information

    def end(self) -> None:
        head = self._head[0]
        self._information, head.information, head.random = None, None, None  # so that the network can be copied


@dataclass(frozen=True)
class MutualInformation(Defence):
    """MID: a variational bottleneck before the logits; loss = CE + beta KL(N(mean, std) || N(0, 1)).

    Wang, Zhang and Jia, "Improving Robustness to Model Inversion Attacks via Mutual Information Regularization" (AAAI
    2021), as its public code has it, but for the answers of the deployed classifier: they use the mean, where the
    public code goes on drawing noise. So the deployed head is one linear layer.

    Args:
        beta: price of a nat: 0.003 in the paper, 0.01 in MIBench, 0.03 in AT-AT's comparison.
    """

    beta: float = 0.01

    kind: ClassVar[str] = "mid"
    title: ClassVar[str] = "MID"
    part: ClassVar[str] = "head"
    limits: ClassVar[dict[str, Limits]] = {"beta": Limits(0, 10, (1e-3, 0.3), log=True)}

    @property
    def active(self) -> bool:
        return self.beta > 0

    def check(self, model: nn.Module, classes: int) -> None:
        _check_head(self.kind, model, classes, 4)

    def rebuild(self, model: nn.Module, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "mid"))
            replace_head(model, lambda head: NoisyHead(head.in_features, head.out_features))

    def guard(self, model: nn.Module, images: Tensor, classes: int, seed: int) -> Guard:
        return _Charge(next(m for m in model.modules() if isinstance(m, NoisyHead)), self.beta)

    def deploy(self, model: nn.Module) -> None:
        name, head = next((n, m) for n, m in model.named_modules() if isinstance(m, NoisyHead))
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, head.plain())


ADAPTED_FROM = 0.8
"""Share of the training after which `LowRank` adapts the confidence; a choice of ours."""


class _Confidence(Guard):
    def __init__(self, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness

    def loss(self, loss: Tensor, step: Step) -> Tensor:
        if step.progress < ADAPTED_FROM:
            return loss
        # cross-entropy of each image, also for mixed labels
        surprise = F.cross_entropy(step.logits.float(), step.labels, reduction="none")
        return -((-self.sharpness * surprise).exp() * surprise).mean()


@dataclass(frozen=True)
class LowRank(Defence):
    """LoFt: the head is a linear layer to few values, tanh, and a linear layer to the logits.

    Yu et al., "Rank Matters" (arXiv 2410.05814v4), and its first version, CALoR, which also adapts the confidence by a
    loss whose optimum is p = exp(-1 / b) for the true class: here p^b log p, in the last fifth of the training. That
    form and that share are reconstructed, not read from the authors' code.

    Args:
        rank: number of values, 20 to 30 as published.
        sharpness: b of the confidence adaptation; 0: none, which is LoFt.
    """

    rank: int = 30
    sharpness: float = 0.0

    kind: ClassVar[str] = "loft"
    title: ClassVar[str] = "LoFt"
    part: ClassVar[str] = "head"
    limits: ClassVar[dict[str, Limits]] = {
        "rank": Limits(1, 4096, (5, 60), log=True, whole=True),
        "sharpness": Limits(0, 100, (0.0, 10.0)),
    }
    undone_by: ClassVar[tuple[str, ...]] = ("brepmi:reduced", "clean_student:reduced")

    def check(self, model: nn.Module, classes: int) -> None:
        _check_head(self.kind, model, classes, self.rank)

    def rebuild(self, model: nn.Module, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "loft"))
            replace_head(
                model,
                lambda head: nn.Sequential(
                    nn.Linear(head.in_features, self.rank), nn.Tanh(), nn.Linear(self.rank, head.out_features)
                ),
            )

    def guard(self, model: nn.Module, images: Tensor, classes: int, seed: int) -> Guard | None:
        return _Confidence(self.sharpness) if self.sharpness > 0 else None
