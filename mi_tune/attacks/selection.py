"""Selections: scores by which an attack chooses among its candidates. They use the target alone, never a judge."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mi_tune.attacks.oracle import HardLabel, soft_label
from mi_tune.attacks.parts import View
from mi_tune.attacks.views import RandomCrop
from mi_tune.erasing import ErasingLaw


@dataclass(frozen=True)
class Last:
    """No selection: all scores are 0, so the candidates stay in their order."""

    access = "hard-label"
    count = 0

    def known(self, law: ErasingLaw | None) -> Last:
        return self

    def __call__(self, oracle: HardLabel, images: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        return torch.zeros(len(images), device=oracle.device)


@dataclass(frozen=True)
class ByConfidence:
    """The target's confidence in the image without a view (how GMI chooses its best restart)."""

    access = "soft-label"
    count = 1

    def known(self, law: ErasingLaw | None) -> ByConfidence:
        return self

    def __call__(self, oracle: HardLabel, images: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        return soft_label(oracle).confidence(images).gather(1, labels[:, None])[:, 0]


@dataclass(frozen=True)
class MeanOverViews:
    """The mean of the target's confidence over random views (PPA): noise rarely keeps its confidence in all of them.

    Args:
        count: views. view: by default PPA's crops and flips; with `Erase`, the score is how well a target that was
            trained with erasing recognises the person from parts of the image.
    """

    count: int = 16
    view: View = RandomCrop(scale=(0.5, 0.9), aspect=(0.8, 1.2), flip=True)

    access = "soft-label"

    def known(self, law: ErasingLaw | None) -> MeanOverViews:
        return replace(self, view=self.view.known(law))

    def __call__(self, oracle: HardLabel, images: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        oracle = soft_label(oracle)
        total = torch.zeros(len(images), device=oracle.device)
        for _ in range(self.count):
            total += oracle.confidence(self.view(images, random)).gather(1, labels[:, None])[:, 0]
        return total / self.count


@dataclass(frozen=True)
class LabelOverViews:
    """The share of random views that the target assigns to the class: `MeanOverViews` for hard labels."""

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
