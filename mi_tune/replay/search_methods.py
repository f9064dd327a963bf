"""Search methods that a replay compares, and one simulated study of such a method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from mi_tune.erasing import ErasingLaw
from mi_tune.replay.surface import Surface
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import did_you_mean
from mi_tune.search.front import front_mask, hypervolume
from mi_tune.search.front_model import FrontModel
from mi_tune.search.geometry import Geometry
from mi_tune.search.halving import RungResults
from mi_tune.search.observations import Observations
from mi_tune.search.samplers import SAMPLERS
from mi_tune.search.space import distributions, params_of
from mi_tune.search.state import State
from mi_tune.search.warm import EarlierStudy, WarmStart, warm_start
from mi_tune.setup import SearchSetup
from mi_tune.study.journal import Asked, StudyJournal

PARTS = {
    "floor": "training stops when the natural accuracy can no longer reach the floor",
    "moasha": "training stops by multi-objective asynchronous successive halving at every rung",
    "scout": "three times as many first laws, of which one in three is trained beyond the first rung",
    "long": "ten first laws come from the Sobol sequence before the model suggests any, instead of four",
    "seeded": "the front of an earlier study, on the other data of --earlier, is tried first",
    "warm": "as seeded, and the trials of the earlier study are the prior of the model",
    "twice": "every trial trains and attacks two targets and costs twice as much",
    "race": "an attack stops as soon as its trial is significantly dominated",
    "repeat": "one trial in four repeats, with other seeds, a law that may be on the front",
    "model": "laws are recommended by what the model expects of them, not by what was measured",
}
"""The parts that a search method can have besides its sampler."""
NEED_EARLIER = frozenset({"seeded", "warm"})
"""Parts that need an earlier study."""
REPEAT_SHARE = 0.25
"""Share of repeats among the trials."""
RACE_ERROR = 0.01
"""Error probability of one test of a race: that it stops an attack whose trial would have been on the front."""
MIN_TRIALS_FOR_FLOOR_STOP = 8
"""The part `floor` stops no trial before this many have ended."""
STARTUP, LONG_STARTUP = 4, 10
"""Laws of the Sobol sequence before a model suggests any; the second with the part `long`."""


@dataclass(frozen=True)
class SearchMethod:
    """A search method: a sampler of SAMPLERS and any of PARTS."""

    sampler: str
    parts: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return "+".join([self.sampler, *(part for part in PARTS if part in self.parts)])

    @property
    def modelled(self) -> bool:
        """Whether its result depends on `FrontModel`, its own or that of an earlier study."""
        return self.sampler == "nehvi" or bool(self.parts & {"model", *NEED_EARLIER})


def make_search_method(text: str) -> SearchMethod:
    """The search method that is written `sampler+part+part`, such as `nehvi+race+model`.

    Raises:
        InputError: unknown sampler or part; the message suggests similar ones.
    """
    sampler, *parts = [word.strip() for word in text.split("+")]
    for word, known in ((sampler, SAMPLERS), *((part, tuple(PARTS)) for part in parts)):
        if word not in known:
            raise InputError(f"method '{text}': unknown '{word}'; {did_you_mean(word, known)}")
    return SearchMethod(sampler, frozenset(parts))


class SimulatedStudy:
    """One simulated study of a search method, with the real journal and samplers, in memory.

    It implements `simulator.Search`.

    Args:
        surface: only its space, its number of people and its number of rungs are used.
        min_accuracy_kept, trials: as in a study's set-up.
        earlier: the study on other data that `seeded` and `warm` start from.

    Raises:
        InputError: the method needs an earlier study and there is none, or it shares no searched parameter with this
            surface or has no complete trial.
    """

    def __init__(
        self,
        method: SearchMethod,
        surface: Surface,
        seed: int,
        min_accuracy_kept: float | None = 0.8,
        trials: int = 10**6,
        earlier: EarlierStudy | None = None,
    ) -> None:
        self.method = method
        startup = LONG_STARTUP if "long" in method.parts else STARTUP
        self.startup = 3 * startup if "scout" in method.parts else startup
        setup = SearchSetup(
            sampler=method.sampler,
            trials=trials,
            startup=self.startup,
            repeats=REPEAT_SHARE if "repeat" in method.parts else 0.0,
            min_accuracy_kept=min_accuracy_kept,
            space=surface.space,
        )
        self.people = len(surface.hit_model.log_odds)
        self.journal = StudyJournal(
            None, "simulated", setup, seed, self.people, warm=_warm_start(method, earlier, setup)
        )
        self.races = "race" in method.parts
        self.targets = 2 if "twice" in method.parts else 1
        self.rung_results = RungResults(("max", "min"))
        self.geometry = Geometry(distributions(surface.space))
        self.model = FrontModel(self.geometry)
        self.asked: dict[int, Asked] = {}
        self.scouts: set[int] = set()
        self.trials: list[tuple[dict[str, Any], dict[str, Any]]] = []
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
        parts = self.method.parts
        return bool(parts & {"floor", "moasha"}) or ("scout" in parts and self._scouts(number))

    def _scouts(self, number: int) -> bool:
        """Whether a trial is one of the first laws, or a reference point, which shows what early accuracies mean."""
        return number in self.scouts or bool(self.asked[number].reference)

    def goes_on(self, number: int, rung: int, natural: float, cheap: float) -> bool:
        asked = self.asked[number]
        best = self.rung_results.record(number, rung, [natural, cheap])
        if asked.reference or asked.repeat:
            return True
        parts = self.method.parts
        if not best and ("moasha" in parts or ("scout" in parts and rung == 0 and self._scouts(number))):
            return False
        if "floor" not in parts:
            return True
        floor = self.journal.floor()
        gains = self.gains[rung]
        return floor is None or len(gains) < MIN_TRIALS_FOR_FLOOR_STOP or natural + max(gains) >= floor

    def attack_goes_on(self, number: int, natural: float, hits: np.ndarray) -> bool:
        """Whether a trial may still be on the front, given the lower bound `least_accuracy` of its attack accuracy."""
        asked = self.asked[number]
        runs = self.journal.repeats
        if asked.reference or asked.repeat or not runs.laws:
            return True
        least = least_accuracy(hits, self.people, RACE_ERROR)
        others, attack, times = runs.means()
        # the laws that it is compared with were measured too, and may be worse than they seem
        dominated = (others >= natural) & (attack + runs.half_width(attack, times) < least)
        return not dominated.any()

    # -------------------------------------------------------------------------------------------------- telling

    def tell(self, number: int, state: str, record: dict[str, Any]) -> None:
        asked = self.asked[number]
        state = self.journal.tell(number, state, record)
        params = params_of(self.journal.search.space, asked.law)
        if state in State.measured() and not asked.repeat:
            for rung, (natural, _) in enumerate(record.get("rungs", [])):
                self.gains[rung].append(record["natural_accuracy"] - natural)
        if params is not None and state != State.FAILED:
            self.trials.append((params, {**record, "state": state}))

    # ------------------------------------------------------------------------------------------------ recommending

    def measured(self) -> dict[int, tuple[float, float]]:
        """Mean accuracies of the laws measured above the floor, each by the number of the trial that ran it first."""
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
        if "model" in self.method.parts:
            natural, attack = self._expected(laws, natural, attack)
        mask = front_mask(natural, attack)
        return [laws[k] for k in np.flatnonzero(mask)], hypervolume(natural, attack)

    def _expected(
        self, laws: list[ErasingLaw], natural: np.ndarray, attack: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Expected accuracies of the laws by the model; laws outside the space keep what was measured."""
        observed = Observations.of_trials(self.geometry, self.trials)
        if not len(observed) or not self.model.enough(observed):
            return natural, attack
        self.model.update(observed)
        points = [params_of(self.journal.search.space, law) for law in laws]
        inside = np.array([point is not None for point in points])
        natural, attack = natural.copy(), attack.copy()
        natural[inside], attack[inside] = self.model.expected(self.geometry.units([p for p in points if p is not None]))
        return natural, attack


def _warm_start(method: SearchMethod, earlier: EarlierStudy | None, setup: SearchSetup) -> WarmStart | None:
    if not method.parts & NEED_EARLIER:
        return None
    if earlier is None:
        raise InputError(f"method '{method.name}' starts from a study on other data; name its table by --earlier")
    return warm_start(earlier, setup.space, setup.startup, "warm" in method.parts)


def least_accuracy(hits: np.ndarray, people: int, error: float) -> float:
    """Lower confidence bound of the attack accuracy that a whole attack will have, from the people attacked so far.

    It adds the people attacked so far, who are known exactly (finite population), and a one-sided t prediction interval
    for the mean of the rest; so it tightens as fewer remain. If all people so far have the same share of hits, the
    interval is that of Clopper and Pearson, with people as trials.

    Args:
        hits: share of hits of each person attacked so far, (k,), in random order. people: how many there are in all.
        error: probability that the accuracy will be below the bound.
    """
    k = len(hits)
    mean = float(hits.mean())
    if k >= people:
        return mean
    if np.ptp(hits) == 0:
        rest = mean * error ** (1 / k)
    else:
        rest = mean - stats.t.ppf(1 - error, k - 1) * hits.std(ddof=1) * np.sqrt(1 / k + 1 / (people - k))
    return (k * mean + (people - k) * max(0.0, rest)) / people
