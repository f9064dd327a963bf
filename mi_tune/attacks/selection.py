"""Which candidates an attack returns. Scores come from the target alone, never from a judge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from mi_tune.attacks.oracle import HardLabel, SoftLabel
from mi_tune.attacks.views import RandomCrop, View
from mi_tune.erasing import ErasingLaw


class Selection(Protocol):
    access: str
    count: int
    """Images through the target for each candidate."""

    def known(self, law: ErasingLaw | None) -> Selection:
        """The same rule for an attacker who knows that the defender trains with `law` (None: knows nothing)."""

    def __call__(self, oracle: HardLabel, images: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        """Scores (n,), higher is better, of images (n, channels, height, width)."""


@dataclass(frozen=True)
class Last:
    """No choice: the candidates as they come."""

    access = "hard-label"
    count = 0

    def known(self, law: ErasingLaw | None) -> Last:
        return self

    def __call__(self, oracle: HardLabel, images: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        return torch.zeros(len(images), device=oracle.device)


@dataclass(frozen=True)
class ByConfidence:
    """The target's confidence in the plain image (GMI's best restart)."""

    access = "soft-label"
    count = 1

    def known(self, law: ErasingLaw | None) -> ByConfidence:
        return self

    def __call__(self, oracle: SoftLabel, images: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        return oracle.confidence(images).gather(1, labels[:, None])[:, 0]


@dataclass(frozen=True)
class MeanOverViews:
    """Mean confidence over random views: what survives them is the class rather than noise.

    Crops and flips as PPA draws them by default; with `Erase` as the view, what an erasing-trained target recognises
    from its parts.
    """

    count: int = 16
    view: View = RandomCrop(scale=(0.5, 0.9), aspect=(0.8, 1.2), flip=True)

    access = "soft-label"

    def known(self, law: ErasingLaw | None) -> MeanOverViews:
        return replace(self, view=self.view.known(law))

    def __call__(self, oracle: SoftLabel, images: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        total = torch.zeros(len(images), device=oracle.device)
        for _ in range(self.count):
            total += oracle.confidence(self.view(images, random)).gather(1, labels[:, None])[:, 0]
        return total / self.count


@dataclass(frozen=True)
class LabelOverViews:
    """Share of random views that the target puts in the class: the same idea for hard labels."""

    count: int = 16
    view: View = RandomCrop(scale=(0.5, 0.9), aspect=(0.8, 1.2), flip=True)

    access = "hard-label"

    def known(self, law: ErasingLaw | None) -> LabelOverViews:
        return replace(self, view=self.view.known(law))

    def __call__(self, oracle: HardLabel, images: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        total = torch.zeros(len(images), device=oracle.device)
        for _ in range(self.count):
            total += oracle.labels(self.view(images, random)) == labels
        return total / self.count
