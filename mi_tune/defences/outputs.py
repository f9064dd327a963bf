"""Defences of the answers alone: attackers who hold the network do not meet them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mi_tune.defences.defence import Defence, Limits


@dataclass(frozen=True)
class Rounded:
    """Rounds probabilities (n, classes) to `decimals`; 0 leaves the predicted class alone, as one-hot.

    Its text is part of the key of what is made from a classifier's answers.
    """

    decimals: int

    def __call__(self, probabilities: Tensor) -> Tensor:
        if self.decimals == 0:
            classes = probabilities.shape[1]
            return torch.nn.functional.one_hot(probabilities.argmax(1), classes).to(probabilities.dtype)
        return probabilities.round(decimals=self.decimals)


@dataclass(frozen=True)
class Rounding(Defence):
    """Rounded confidences (Fredrikson, Jha and Ristenpart, CCS 2015, section 6), for attackers who only see answers.

    The deployed classifier has a function `purify`, from probabilities to those that are published. Its logits stay as
    they are: attackers with white-box access see them.

    Args:
        decimals: that are kept; 0 leaves the predicted class alone, 7 is what float32 holds and changes nothing.
    """

    decimals: int = 1

    kind: ClassVar[str] = "rounding"
    title: ClassVar[str] = "rounded confidences"
    part: ClassVar[str] = "answers"
    limits: ClassVar[dict[str, Limits]] = {"decimals": Limits(0, 7, (0, 4), whole=True)}
    undone_by: ClassVar[tuple[str, ...]] = ("brepmi:reduced",)

    @property
    def active(self) -> bool:
        return self.decimals < 7

    def deploy(self, model: nn.Module) -> None:
        model.purify = Rounded(self.decimals)  # type: ignore[assignment]  # no module
