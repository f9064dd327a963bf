"""Discrete-event simulation of a study: workers train and attack on a simulated clock, which takes no real time."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from mi_tune.erasing import ErasingLaw
from mi_tune.replay.surface import Surface
from mi_tune.search.state import State
from mi_tune.study.journal import Asked

ATTACK_CHUNKS = 5
"""Parts that an attack is divided into by people, if it may be stopped early."""


TrialSteps = Generator[float, None, tuple[str, dict[str, Any]]]
"""Yields the seconds of each step of a trial; returns its state and record."""


class Search(Protocol):
    """What the simulator requires of a search; see `search_methods.SimulatedStudy`."""

    races: bool
    """Whether attacks are divided into ATTACK_CHUNKS and may be stopped between them."""
    targets: int
    """Targets that a trial trains and attacks; its accuracies are their means."""

    def ask(self) -> Asked | None:
        """The next trial, or None if there is none to run now."""
        ...

    def looks_early(self, number: int) -> bool:
        """Whether a trial is evaluated and cheaply attacked at the rungs below the last."""
        ...

    def goes_on(self, number: int, rung: int, natural: float, cheap: float) -> bool:
        """Whether training continues after a rung with these natural and cheap attack accuracies."""
        ...

    def attack_goes_on(self, number: int, natural: float, hits: np.ndarray) -> bool:
        """Whether the attack continues; `hits` are the shares of hits of the people attacked so far, (k,)."""
        ...

    def tell(self, number: int, state: str, record: dict[str, Any]) -> None:
        """Report the end of a trial: its state and what was measured."""
        ...

    def recommend(self) -> tuple[list[ErasingLaw], float]:
        """The laws that the search recommends now, and the hypervolume that it claims for them."""
        ...


@dataclass(frozen=True)
class Trace:
    """The course of a simulated study.

    Args:
        events: one row per ended trial: `seconds` on the simulated clock; `cost`, worker-seconds until then; `state`;
            `hypervolume`, the true one of the laws recommended then; `claimed`, the one that the search claims;
            `recommended`, the number of these laws.
        suggestion_seconds: real seconds that each suggestion took, in order.
    """

    events: pd.DataFrame
    suggestion_seconds: np.ndarray


@dataclass(order=True)
class _Step:
    """A step of a trial that ends at a time; of equal times the step that began first comes first."""

    at: float
    order: int
    asked: Asked = field(compare=False)
    steps: TrialSteps = field(compare=False)


def simulate(
    surface: Surface,
    search: Search,
    workers: int,
    cost: float,
    seed: int,
    driver_waits: bool = False,
    floor: float = 0.0,
) -> Trace:
    """Run `search` until its workers have spent `cost` seconds together.

    Args:
        workers: trials that run at a time; no worker is idle while there are trials. seed: of the trials' noise;
            searches that run the same law with the same seed get the same outcome.
        driver_waits: whether the real seconds of a suggestion pass on the simulated clock too; all workers then wait
            for one driver.
        floor: a recommended law whose true natural accuracy is below it adds nothing to the hypervolume.
    """
    order = itertools.count()
    pending: list[_Step] = []
    suggestion_seconds: list[float] = []
    events: list[dict[str, Any]] = []
    driver_free_at = 0.0

    def begin(now: float) -> None:
        nonlocal driver_free_at
        begun = time.perf_counter()
        asked = search.ask()
        suggestion_seconds.append(time.perf_counter() - begun)
        if asked is None:
            return
        if driver_waits:
            driver_free_at = now = max(now, driver_free_at) + suggestion_seconds[-1]
        steps = _trial_steps(surface, search, asked, seed)
        heapq.heappush(pending, _Step(now + next(steps), next(order), asked, steps))

    for _ in range(workers):
        begin(0.0)
    while pending:
        step = heapq.heappop(pending)
        if step.at * workers > cost:
            break
        try:
            heapq.heappush(pending, _Step(step.at + next(step.steps), next(order), step.asked, step.steps))
        except StopIteration as end:
            state, record = end.value
            search.tell(step.asked.number, state, record)
            laws, claimed = search.recommend()
            events.append(
                {
                    "seconds": step.at,
                    "cost": step.at * workers,
                    "state": state,
                    "hypervolume": surface.worth(laws, floor),
                    "claimed": claimed,
                    "recommended": len(laws),
                }
            )
            begin(step.at)
    columns = ["seconds", "cost", "state", "hypervolume", "claimed", "recommended"]
    return Trace(pd.DataFrame(events, columns=columns), np.array(suggestion_seconds))


def _trial_steps(surface: Surface, search: Search, asked: Asked, seed: int) -> TrialSteps:
    """The steps of one trial: training up to each rung that is evaluated, evaluation, and the attack in chunks."""
    outcome = surface.draw(asked.law, asked.repeat, seed, search.targets)
    number, last = asked.number, surface.rungs - 1
    seen: list[list[float]] = []
    waited = 0.0
    for rung in range(surface.rungs):
        waited += outcome.train[rung]
        if rung == last:
            break
        if search.looks_early(number):
            yield waited + outcome.evaluate[rung] + outcome.cheap_seconds[rung]
            waited = 0.0
            seen.append([float(outcome.natural[rung]), float(outcome.cheap[rung])])
            if not search.goes_on(number, rung, *seen[-1]):
                return State.STOPPED, {"rungs": seen, "reason": f"stopped at rung {rung}"}
    yield waited + outcome.evaluate[last]
    record: dict[str, Any] = {"natural_accuracy": float(outcome.natural[last])}
    if seen:
        record["rungs"] = seen
    if asked.floor is not None and record["natural_accuracy"] < asked.floor:
        return State.INFEASIBLE, record
    if not search.races:
        yield outcome.attack_seconds
        return State.COMPLETE, record | {"attack_accuracy": outcome.attack}
    hits = surface.hits(asked.law, outcome, asked.repeat, seed)
    ends = np.linspace(0, len(hits), ATTACK_CHUNKS + 1).round().astype(int)[1:]
    for begin, end in itertools.pairwise([0, *ends]):
        yield outcome.attack_seconds * (end - begin) / len(hits)
        if end < len(hits) and not search.attack_goes_on(number, record["natural_accuracy"], hits[:end]):
            record |= {"attack_accuracy_so_far": float(hits[:end].mean()), "attacked": end / len(hits)}
            return State.STOPPED, record | {"reason": f"attack broken off after {end} of {len(hits)} people"}
    return State.COMPLETE, record | {"attack_accuracy": float(hits.mean())}
