"""What a tracker is told of a study."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Value = str | int | float


@dataclass(frozen=True)
class Watched:
    """The study that is watched.

    Args:
        name, folder: of the study. settings: its set-up as flat values, such as `target.epochs`.
    """

    name: str
    folder: Path
    settings: Mapping[str, Value]


@dataclass(frozen=True)
class Ended:
    """A trial that has ended.

    Args:
        number: of the trial. state: `complete`, `infeasible`, `failed` or `stopped`. reason: of another than complete.
        values: numbers of its row in the table of trials, both accuracies with their intervals among them.
        curve: (epoch, train loss, natural accuracy), means over replicates; empty without the worker's files.
        picture: one reconstruction of each of up to 16 people side by side, uint8 (height, width, 3); None where
            images are not allowed or there are none.
    """

    number: int
    state: str
    reason: str
    values: Mapping[str, float]
    curve: Sequence[tuple[int, float, float]] = ()
    picture: np.ndarray | None = None


class Tracker(ABC):
    """Writes down what happens in a study. It may raise anything: then it is left out, and the study goes on."""

    @abstractmethod
    def begin(self, study: Watched) -> None:
        """The search begins, or goes on."""

    @abstractmethod
    def started(self, number: int, parameters: Mapping[str, Value]) -> None:
        """A trial has started; parameters are those of its law, and `reference`. Told again if it starts again."""

    @abstractmethod
    def reported(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        """A trial has trained until the end of an epoch."""

    @abstractmethod
    def ended(self, trial: Ended) -> None:
        """A trial has ended."""

    def close(self) -> None:  # noqa: B027  most trackers have nothing to close
        """The search has ended, in whatever way."""
