"""Ways to search that are put against each other: samplers, early stopping, racing, repeating, recommending."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from mi_tune.erasing import ErasingLaw
from mi_tune.replay.surface import Surface
from mi_tune.runtime.errors import InputError
from mi_tune.search.front import front_mask, hypervolume
from mi_tune.search.front_model import FrontModel, Observations
from mi_tune.search.geometry import Geometry
from mi_tune.search.halving import Rungs
from mi_tune.search.samplers import SAMPLERS
from mi_tune.search.space import distributions, params_of
from mi_tune.search.warm import Earlier, WarmStart, warm_start
from mi_tune.setup import SearchSetup
from mi_tune.study.journal import Asked, StudyJournal

PARTS = {
    "floor": "training stops where the natural accuracy cannot come up to the floor any more",
    "moasha": "training stops by multi-objective asynchronous successive halving at every rung",
    "scout": "three times as many first laws, of which one in three is trained beyond the first rung",
    "long": "ten laws of the Sobol sequence come before the model suggests any, not four",
    "seeded": "the front of an earlier study, on the other data of --earlier, is tried first",
    "warm": "so it is, and what the earlier study measured is the model's prior",
    "twice": "every trial trains and attacks two targets and costs twice as much",
    "race": "an attack is broken off once its trial is dominated beyond doubt",
    "repeat": "one trial in four runs a law again that may be on the front, with other seeds",
    "model": "laws are recommended by what a model expects of them, not by what was measured",
}
NEED_EARLIER = frozenset({"seeded", "warm"})
REPEATED = 0.25
"""Share of the trials that are repeats."""
DOUBT = 0.01
"""Chance with which a race may break off an attack that would have ended on the front, if all tests were one."""
ENOUGH = 8
"""Trials that have ended before any is stopped for the floor."""
STARTUP, LONG_STARTUP = 4, 10
"""Laws of the Sobol sequence before a model suggests any."""


@dataclass(frozen=True)
class Rival:
    """A sampler and any of PARTS."""

    sampler: str
    parts: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return "+".join([self.sampler, *(part for part in PARTS if part in self.parts)])

    @property
    def modelled(self) -> bool:
        """Whether it asks `FrontModel`, or starts from a study that did."""
        return self.sampler == "nehvi" or bool(self.parts & {"model", *NEED_EARLIER})


def make_rival(text: str) -> Rival:
    """The rival that is written `sampler+part+part`, such as `nehvi+race+model`.

    Raises:
        InputError: an unknown sampler or part; near ones are offered.
    """
    sampler, *parts = [word.strip() for word in text.split("+")]
    for word, known in ((sampler, SAMPLERS), *((part, tuple(PARTS)) for part in parts)):
        if word not in known:
            near = difflib.get_close_matches(word, known, n=3) or known
            raise InputError(f"method '{text}': unknown '{word}'; did you mean {', '.join(near)}?")
    return Rival(sampler, frozenset(parts))


class Contest:
    """A rival at work in one study, over the real journal and samplers, kept in memory.

    Args:
        surface: of which only the space, the number of people and how many looks a trial has are used.
        min_accuracy_kept, trials: as in a study's setup.
        earlier: the study on other data that `seeded` and `warm` start from.

    Raises:
        InputError: one of these, and there is no earlier study, or none that has anything to do with this surface.
    """

    def __init__(
        self,
        rival: Rival,
        surface: Surface,
        seed: int,
        min_accuracy_kept: float | None = 0.8,
        trials: int = 10**6,
        earlier: Earlier | None = None,
    ) -> None:
        self.rival = rival
        startup = LONG_STARTUP if "long" in rival.parts else STARTUP
        self.startup = 3 * startup if "scout" in rival.parts else startup
        setup = SearchSetup(
            sampler=rival.sampler,
            trials=trials,
            startup=self.startup,
            repeats=REPEATED if "repeat" in rival.parts else 0.0,
            min_accuracy_kept=min_accuracy_kept,
            space=surface.space,
        )
        self.people = len(surface.people.odds)
        self.journal = StudyJournal(None, "contest", setup, seed, self.people, warm=_taken_over(rival, earlier, setup))
        self.races = "race" in rival.parts
        self.targets = 2 if "twice" in rival.parts else 1
        self.rungs = Rungs(("max", "min"))
        self.geometry = Geometry(distributions(surface.space))
        self.model = FrontModel(self.geometry)
        self.asked: dict[int, Asked] = {}
        self.scouts: set[int] = set()
        self.rows: list[dict[str, Any]] = []
        self.gains: list[list[float]] = [[] for _ in range(surface.rungs)]

    # --------------------------------------------------------------------------------------------------- asking

    def ask(self) -> Asked | None:
        asked = self.journal.ask()
        if asked is not None:
            self.asked[asked.number] = asked
            if len(self.scouts) < self.startup and not asked.reference and not asked.repeat:
                self.scouts.add(asked.number)
        return asked

    # ------------------------------------------------------------------------------------------------- stopping

    def looks_early(self, number: int) -> bool:
        parts = self.rival.parts
        return bool(parts & {"floor", "moasha"}) or ("scout" in parts and self._scouts(number))

    def _scouts(self, number: int) -> bool:
        """Whether a trial is one of the first laws, or a reference, which teaches what is seen early means."""
        return number in self.scouts or bool(self.asked[number].reference)

    def goes_on(self, number: int, rung: int, natural: float, cheap: float) -> bool:
        asked = self.asked[number]
        best = self.rungs.record(number, rung, [natural, cheap])
        if asked.reference or asked.repeat:
            return True
        parts = self.rival.parts
        if not best and ("moasha" in parts or ("scout" in parts and rung == 0 and self._scouts(number))):
            return False
        if "floor" not in parts:
            return True
        floor = self.journal.floor()
        gains = self.gains[rung]
        return floor is None or len(gains) < ENOUGH or natural + max(gains) >= floor

    def attack_goes_on(self, number: int, natural: float, hits: np.ndarray) -> bool:
        """Whether a trial may still be on the front: see `least_accuracy`."""
        asked = self.asked[number]
        runs = self.journal.repeats
        if asked.reference or asked.repeat or not runs.laws:
            return True
        least = least_accuracy(hits, self.people, DOUBT)
        others, attack, times = runs.means()
        # what it is held against was measured too, and may be worse than it seems
        beaten = (others >= natural) & (attack + runs.half_width(attack, times) < least)
        return not beaten.any()

    # -------------------------------------------------------------------------------------------------- telling

    def tell(self, number: int, state: str, record: dict[str, Any]) -> None:
        asked = self.asked[number]
        state = self.journal.tell(number, state, record)
        params = params_of(self.journal.search.space, asked.law)
        if state in ("complete", "infeasible") and not asked.repeat:
            for rung, (natural, _) in enumerate(record.get("rungs", [])):
                self.gains[rung].append(record["natural_accuracy"] - natural)
        if params is not None and state != "failed":
            row = {"params": params, "natural": record.get("natural_accuracy", np.nan)}
            row["attack"] = record.get("attack_accuracy", record.get("attack_accuracy_so_far", np.nan))
            row["attacked"] = record.get("attacked", 1.0)
            if "rungs" in record:
                row["early_natural"], row["early_attack"] = record["rungs"][0]
            self.rows.append(row)

    # ------------------------------------------------------------------------------------------------ recommending

    def measured(self) -> dict[int, tuple[float, float]]:
        """Mean accuracies of the laws that were measured above the floor, by the trial that was first to run each."""
        runs, floor = self.journal.repeats, self.journal.floor()
        natural, attack, _ = runs.means()
        found = zip(runs.laws, natural.tolist(), attack.tolist(), strict=True)
        return {number: (n, a) for number, n, a in found if floor is None or n >= floor}

    def recommend(self) -> tuple[list[ErasingLaw], float]:
        measured = self.measured()
        if not measured:
            return [], 0.0
        laws = [self.asked[number].law for number in measured]
        natural, attack = np.array(list(measured.values())).T
        if "model" in self.rival.parts:
            natural, attack = self._expected(laws, natural, attack)
        mask = front_mask(natural, attack)
        return [laws[k] for k in np.flatnonzero(mask)], hypervolume(natural, attack)

    def _expected(
        self, laws: list[ErasingLaw], natural: np.ndarray, attack: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the model expects of the laws; what was measured where the space does not hold them."""
        observed = Observations.of(self.geometry, self.rows)
        if not len(observed) or not self.model.enough(observed):
            return natural, attack
        self.model.update(observed)
        points = [params_of(self.journal.search.space, law) for law in laws]
        inside = np.array([point is not None for point in points])
        natural, attack = natural.copy(), attack.copy()
        natural[inside], attack[inside] = self.model.expected(self.geometry.units([p for p in points if p is not None]))
        return natural, attack


def _taken_over(rival: Rival, earlier: Earlier | None, setup: SearchSetup) -> WarmStart | None:
    if not rival.parts & NEED_EARLIER:
        return None
    if earlier is None:
        raise InputError(f"method '{rival.name}' starts from a study on other data; name its table by --earlier")
    return warm_start(earlier, setup.space, setup.startup, "warm" in rival.parts)


def least_accuracy(hits: np.ndarray, people: int, doubt: float) -> float:
    """Attack accuracy that the whole attack will have at least, but for a chance of `doubt`.

    Args:
        hits: share of hits of each person attacked so far, (k,), in random order. people: how many there are in all.

    A one-sided t interval for the mean of the rest, whose width shrinks as fewer are left: the sampled share of a
    finite population is known. Where all people so far agree it is Clopper and Pearson's, with people as trials.
    """
    k = len(hits)
    mean = float(hits.mean())
    if k >= people:
        return mean
    if np.ptp(hits) == 0:
        rest = mean * doubt ** (1 / k)
    else:
        rest = mean - stats.t.ppf(1 - doubt, k - 1) * hits.std(ddof=1) * np.sqrt(1 / k + 1 / (people - k))
    return (k * mean + (people - k) * max(0.0, rest)) / people
