"""Repeats: which law to run again with other seeds."""

from __future__ import annotations

from collections import Counter

import numpy as np
from scipy import stats

from mi_tune.search.front import front_mask

MIN_LAWS_BEFORE_REPEATS = 8
"""No law is repeated before this many laws have been measured."""


class Repeats:
    """Keeps every run of every law of a study, and chooses the law to repeat next.

    Without repeats, a lucky measurement stays on the measured front for good. A law may be repeated as long as the box
    of its one-sided 95 % intervals reaches beyond the front of the means. Of these laws the one with the fewest runs is
    next; of equals, the one with the largest box.

    Args:
        share: largest share of repeats among the ended trials; 0 for none. people: number of people that the
            accuracies of a trial are means over.
    """

    def __init__(self, share: float, people: int) -> None:
        self.share, self.people = share, people
        self.first: dict[int, int] = {}
        self.count = 0
        self._runs: dict[int, dict[int, tuple[float, float]]] = {}
        self._sums: dict[int, tuple[float, float, int]] = {}
        self._running: set[int] = set()

    def handed_out(self, number: int, first: int) -> None:
        """Trial `number` has started; it runs the law that trial `first` ran first (for a new law the same number)."""
        if number not in self.first:
            self.count += first != number
        self.first[number] = first
        self._running.add(number)

    def over(self, number: int, measured: tuple[float, float] | None) -> None:
        """A trial has ended; `measured` are its natural and attack accuracy, None if it has none."""
        self._running.discard(number)
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
        """The measured laws, each by the number of the trial that ran it first."""
        return list(self._sums)

    def means(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean natural accuracy, mean attack accuracy and number of runs of the measured laws, (laws,) each."""
        natural, attack, runs = np.array(list(self._sums.values()), dtype=float).reshape(-1, 3).T
        return natural / runs, attack / runs, runs.astype(int)

    def half_width(self, accuracy: np.ndarray, runs: np.ndarray) -> np.ndarray:
        """Half-width of a one-sided 95 % interval over people, for the mean of `runs` runs: (laws,)."""
        spread = np.sqrt(np.maximum(accuracy * (1 - accuracy), 0.25 / self.people) / self.people)
        return stats.norm.ppf(0.95) * spread / np.sqrt(np.maximum(runs, 1))

    def next(self) -> int | None:
        """The law to repeat, by the number of the trial that ran it first; None if a new law is due."""
        ended = len(self.first) - len(self._running)
        if len(self._sums) < MIN_LAWS_BEFORE_REPEATS:
            return None
        if self.count + 1 > self.share * (ended + 1 - MIN_LAWS_BEFORE_REPEATS):
            return None
        natural, attack, runs = self.means()
        running = Counter(self.first[number] for number in self._running)
        runs = runs + np.array([running[law] for law in self._sums])
        width, height = self.half_width(natural, runs), self.half_width(attack, runs)
        mask = front_mask(natural, attack)
        dominated = (natural[mask] >= (natural + width)[:, None]) & (attack[mask] <= (attack - height)[:, None])
        candidates = np.flatnonzero(~dominated.any(1))
        if not len(candidates):
            return None
        return self.laws[candidates[np.lexsort((-(width * height)[candidates], runs[candidates]))[0]]]
