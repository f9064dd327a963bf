"""Several judges with one face: a front that only one judge sees is that judge's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from mi_tune.cache import content_key
from mi_tune.judging.intervals import Estimate
from mi_tune.judging.judge import Judge


class PanelJudge(Protocol):
    """What a confirmation asks of a judge.

    name, key: what it is called, and what changes with it. held_out: its accuracy on real images that it has not
    seen, `ceiling` the same per class (classes,). saw_private: whether private images trained it. in_search: whether
    it judged the study.
    """

    name: str
    key: str
    saw_private: bool
    in_search: bool

    @property
    def held_out(self) -> Estimate: ...

    @property
    def ceiling(self) -> np.ndarray: ...

    def hits(self, images: Tensor, classes: Tensor, device: torch.device) -> np.ndarray:
        """Which reconstructions, uint8 (classes, kept, channels, height, width), it gives to the attacked class."""


@dataclass(frozen=True)
class ClassifierJudge:
    """A judge that was trained on the private people, as one of a panel."""

    name: str
    judge: Judge
    in_search: bool
    saw_private: bool = True

    @property
    def key(self) -> str:
        return self.judge.key

    @property
    def held_out(self) -> Estimate:
        return self.judge.held_out

    @property
    def ceiling(self) -> np.ndarray:
        return self.judge.held_out_per_class

    def hits(self, images: Tensor, classes: Tensor, device: torch.device) -> np.ndarray:
        answers = self.judge.logits(images.flatten(0, 1), device).argmax(1).view(images.shape[:2])
        return (answers == classes[:, None]).numpy()


@dataclass(frozen=True)
class Panel:
    """The judges of a confirmation, the search's first."""

    judges: tuple[PanelJudge, ...]

    @property
    def key(self) -> str:
        return content_key([judge.key for judge in self.judges])
