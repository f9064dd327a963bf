"""Several judges with one face: a front that only one judge sees is that judge's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from mi_tune.judging.intervals import Estimate, class_interval
from mi_tune.judging.judge import Judge
from mi_tune.judging.verifier import Verifier
from mi_tune.runtime.cache import content_key


class PanelJudge(Protocol):
    """What a confirmation asks of a judge.

    name, key: what it is called, and what changes with it. question: what it answers, in a few words. held_out: its
    accuracy on real images that it has not seen, `ceiling` the same per class (classes,). saw_private: whether private
    images trained it. in_search: whether it judged the study.
    """

    name: str
    saw_private: bool
    in_search: bool

    @property
    def key(self) -> str: ...

    @property
    def question(self) -> str: ...

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
    def question(self) -> str:
        return "which of the private people is it?"

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
class VerifierJudge:
    """One of the two answers of a verifier, which was trained on other people, as a judge.

    answer: `rank-1`, the attacked person is the most similar one; `TAR`, similar enough at the verifier's FAR.
    """

    verifier: Verifier
    answer: Literal["rank-1", "TAR"]
    saw_private: bool = False
    in_search: bool = False

    @property
    def name(self) -> str:
        return f"verifier {self.answer}"

    @property
    def key(self) -> str:
        return self.verifier.key + self.answer

    @property
    def question(self) -> str:
        if self.answer == "rank-1":
            return "is the attacked person the most similar of the private people?"
        return f"is it more similar to the attacked person than {1 - self.verifier.far:.0%} of strangers' photographs?"

    @property
    def held_out(self) -> Estimate:
        return class_interval(self.ceiling)

    @property
    def ceiling(self) -> np.ndarray:
        return self.verifier.rank1 if self.answer == "rank-1" else self.verifier.tar

    def hits(self, images: Tensor, classes: Tensor, device: torch.device) -> np.ndarray:
        answer = self.verifier.identified if self.answer == "rank-1" else self.verifier.accepted
        return answer(images, classes.cpu(), device)


@dataclass(frozen=True)
class Panel:
    """The judges of a confirmation, the search's first."""

    judges: tuple[PanelJudge, ...]

    @property
    def key(self) -> str:
        return content_key([judge.key for judge in self.judges])
