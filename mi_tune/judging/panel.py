"""A panel of judges with one interface: a result that only one judge confirms may be an artefact of that judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from mi_tune.judging.gallery import Answers, Gallery
from mi_tune.judging.intervals import Estimate, class_interval
from mi_tune.judging.judge import Judge
from mi_tune.runtime.cache import content_key

Learned = Literal["unseen", "all", "none"]


class PanelJudge(Protocol):
    """The interface of a judge in a confirmation.

    name: for tables and reports. key: content key; it changes whenever the judge does. question: what the judge
    answers, in a few words. held_out: accuracy on real images that it was not trained on; `ceiling`: the same by class,
    (classes,). learned: which private images trained it: those `unseen` by the targets, `all`, or `none`. in_search:
    whether it judged the study's trials. outside: whether it is a recogniser from outside, which was trained on nothing
    of the study.
    """

    @property
    def name(self) -> str: ...

    @property
    def learned(self) -> Learned: ...

    @property
    def in_search(self) -> bool: ...

    @property
    def outside(self) -> bool: ...

    @property
    def key(self) -> str: ...

    @property
    def question(self) -> str: ...

    @property
    def held_out(self) -> Estimate: ...

    @property
    def ceiling(self) -> np.ndarray: ...

    def hits(self, images: Tensor, classes: Tensor, device: torch.device) -> np.ndarray:
        """Whether it assigns each reconstruction to the attacked class: bool (classes, kept).

        images: uint8 (classes, kept, channels, height, width). classes: the attacked ones, int64 (classes,).
        """


@dataclass(frozen=True)
class ClassifierJudge:
    """A classifier trained on the private people, as a judge of a panel."""

    name: str
    judge: Judge
    in_search: bool
    outside: bool = False

    @property
    def learned(self) -> Learned:
        return self.judge.learned

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


Answer = Literal["rank-1", "rank-5", "TAR"]
"""What a gallery is asked: is the attacked person the most similar, or among the five most similar (identification),
or similar enough (verification, whose true accept rate belongs to a stated false accept rate)?"""

_SHARES: dict[Answer, tuple[str, str]] = {
    "rank-1": ("rank1",) * 2,
    "rank-5": ("rank5",) * 2,
    "TAR": ("tar", "accepted"),
}


@dataclass(frozen=True)
class GalleryJudge:
    """One answer of a gallery, as a judge of a panel. No private image has trained its networks."""

    gallery: Gallery
    answer: Answer
    outside: bool
    learned: Learned = "none"
    in_search: bool = False

    @property
    def name(self) -> str:
        return f"{self.gallery.name} {self.answer}"

    @property
    def key(self) -> str:
        return self.gallery.key + self.answer

    @property
    def question(self) -> str:
        if self.answer == "TAR":
            return (
                f"is it more similar to the attacked person than {1 - self.gallery.far:.0%} of strangers' photographs?"
            )
        which = "the most similar" if self.answer == "rank-1" else "among the five most similar"
        return f"is the attacked person {which} of the private people?"

    @property
    def held_out(self) -> Estimate:
        return class_interval(self.ceiling)

    @property
    def ceiling(self) -> np.ndarray:
        return getattr(self.gallery, _SHARES[self.answer][0])

    def hits(self, images: Tensor, classes: Tensor, device: torch.device) -> np.ndarray:
        return self.of(self.gallery.answers(images, classes, device))

    def of(self, answers: Answers) -> np.ndarray:
        """This judge's answer among all of its gallery's."""
        return getattr(answers, _SHARES[self.answer][1])


@dataclass(frozen=True)
class Panel:
    """The judges of a confirmation; the first is the one that judged the study."""

    judges: tuple[PanelJudge, ...]

    @property
    def key(self) -> str:
        return content_key([judge.key for judge in self.judges])

    def hits(self, images: Tensor, classes: Tensor, device: torch.device) -> dict[str, np.ndarray]:
        """What `PanelJudge.hits` returns, of every judge, by its name. A gallery embeds the images once for all."""
        found, embedded = {}, dict[str, Answers]()
        for judge in self.judges:
            if isinstance(judge, GalleryJudge):
                gallery = judge.gallery
                if gallery.key not in embedded:
                    embedded[gallery.key] = gallery.answers(images, classes, device)
                found[judge.name] = judge.of(embedded[gallery.key])
            else:
                found[judge.name] = judge.hits(images, classes, device)
        return found
