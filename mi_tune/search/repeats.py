"""Running a law again with other seeds: which one another trial tells most about."""

from __future__ import annotations

from collections import Counter

import numpy as np
from scipy import stats

from mi_tune.search.front import front_mask

ENOUGH = 8
"""Laws that have been measured before any is run again."""


class Repeats:
    """Every run of every law of a study, and the law to run again now, if any.

    A lucky measurement stays on a measured front until somebody doubts it. A law is doubted as long as the box of its
    one-sided 95 % intervals reaches beyond the front of means; of those, one that was run least often is next, and of
    these the one whose box is largest.

    Args:
        share: of the trials that are over that may be repeats; 0 for none. people: whose accuracies a trial averages.
    """

    def __init__(self, share: float, people: int) -> None:
        self.share, self.people = share, people
        self.first: dict[int, int] = {}
        self.count = 0
        self._runs: dict[int, dict[int, tuple[float, float]]] = {}
        self._sums: dict[int, tuple[float, float, int]] = {}
        self._out: set[int] = set()

    def handed_out(self, number: int, first: int) -> None:
        """Trial `number` runs the law that trial `first` was the first to run; the same number for a new law."""
        if number not in self.first:
            self.count += first != number
        self.first[number] = first
        self._out.add(number)

    def over(self, number: int, measured: tuple[float, float] | None) -> None:
        """A trial has ended, with natural and attack accuracy or without."""
        self._out.discard(number)
        runs = self._runs.setdefault(self.first[number], {})
        runs.pop(number, None)
        if measured is not None:
            runs[number] = measured
        first = self.first[number]
        if runs:
            natural, attack = zip(*runs.values(), strict=True)
            self._sums[first] = sum(natural), sum(attack), len(runs)
        else:
            del self._runs[first]
            self._sums.pop(first, None)

    @property
    def laws(self) -> list[int]:
        """The measured laws, by the trial that was first to run them."""
        return list(self._sums)

    def means(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean natural and attack accuracy of the measured laws and the number of their runs, (laws,) each."""
        natural, attack, runs = np.array(list(self._sums.values()), dtype=float).reshape(-1, 3).T
        return natural / runs, attack / runs, runs.astype(int)

    def half_width(self, accuracy: np.ndarray, runs: np.ndarray) -> np.ndarray:
        """Of a one-sided 95 % interval over people, for means of so many runs."""
        spread = np.sqrt(np.maximum(accuracy * (1 - accuracy), 0.25 / self.people) / self.people)
        return stats.norm.ppf(0.95) * spread / np.sqrt(np.maximum(runs, 1))

    def next(self) -> int | None:
        """The law to run again, by the trial that was first to run it; None where a new law is due."""
        if len(self._sums) < ENOUGH or self.count + 1 > self.share * (len(self.first) - len(self._out) + 1 - ENOUGH):
            return None
        natural, attack, runs = self.means()
        running = Counter(self.first[number] for number in self._out)
        runs = runs + np.array([running[law] for law in self._sums])
        wide, high = self.half_width(natural, runs), self.half_width(attack, runs)
        mask = front_mask(natural, attack)
        beaten = (natural[mask] >= (natural + wide)[:, None]) & (attack[mask] <= (attack - high)[:, None])
        hopeful = np.flatnonzero(~beaten.any(1))
        if not len(hopeful):
            return None
        return self.laws[hopeful[np.lexsort((-(wide * high)[hopeful], runs[hopeful]))[0]]]
