"""A study by the clock: workers train and attack, a search asks and is told, and nothing takes any time."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from mi_tune.erasing import ErasingLaw
from mi_tune.replay.surface import Surface
from mi_tune.study.journal import Asked

CHUNKS = 5
"""Parts that the people are attacked in, where an attack may be broken off."""


class Search(Protocol):
    """What the simulator asks of a search; see `rivals.Contest`."""

    races: bool
    """Whether people are attacked in chunks."""
    targets: int
    """Targets that a trial trains and attacks, whose mean its accuracies are."""

    def ask(self) -> Asked | None: ...

    def looks_early(self, number: int) -> bool:
        """Whether a trial is looked at and attacked cheaply at the rungs below the last."""
        ...

    def goes_on(self, number: int, rung: int, natural: float, cheap: float) -> bool: ...

    def attack_goes_on(self, number: int, natural: float, hits: np.ndarray) -> bool: ...

    def tell(self, number: int, state: str, record: dict[str, Any]) -> None: ...

    def recommend(self) -> tuple[list[ErasingLaw], float]:
        """The laws that are recommended now, and the hypervolume that they are claimed to have."""
        ...


@dataclass(frozen=True)
class Trace:
    """What a simulated study had found by when.

    Args:
        events: one row a told trial: `seconds` on the simulated clock; `cost`, worker-seconds until then; `state`;
            `hypervolume`, the true one of the laws recommended then; `claimed`, what the search took it for;
            `recommended`, their number.
        suggestion_seconds: real seconds that each suggestion took, in their order.
    """

    events: pd.DataFrame
    suggestion_seconds: np.ndarray


@dataclass(order=True)
class _Due:
    """A worker whose step ends at a time; ties in the order in which the steps began."""

    at: float
    order: int
    asked: Asked = field(compare=False)
    life: Iterator[float] = field(compare=False)


def simulate(
    surface: Surface,
    search: Search,
    workers: int,
    cost: float,
    seed: int,
    driver_waits: bool = False,
    floor: float = 0.0,
) -> Trace:
    """Let `search` run until its workers have spent `cost` seconds together.

    Args:
        workers: trials at a time, all busy all the time. seed: of the trials' noise: searches that meet the same law
            under the same seed see the same outcome.
        driver_waits: whether the real seconds of a suggestion pass on the simulated clock too, for the one driver that
            all workers wait for.
        floor: natural accuracy below which a recommended law is truly worth nothing, whatever was measured of it.
    """
    order = itertools.count()
    due: list[_Due] = []
    took: list[float] = []
    events: list[dict[str, Any]] = []
    free_driver = 0.0

    def begin(now: float) -> None:
        nonlocal free_driver
        begun = time.perf_counter()
        asked = search.ask()
        took.append(time.perf_counter() - begun)
        if asked is None:
            return
        if driver_waits:
            free_driver = now = max(now, free_driver) + took[-1]
        life = _life(surface, search, asked, seed)
        heapq.heappush(due, _Due(now + next(life), next(order), asked, life))

    for _ in range(workers):
        begin(0.0)
    while due:
        step = heapq.heappop(due)
        if step.at * workers > cost:
            break
        try:
            heapq.heappush(due, _Due(step.at + next(step.life), next(order), step.asked, step.life))
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
    return Trace(pd.DataFrame(events, columns=columns), np.array(took))


def _life(surface: Surface, search: Search, asked: Asked, seed: int) -> Iterator[float]:
    """Seconds of a trial's steps, one after the other; what became of it is the generator's value."""
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
                return "stopped", {"rungs": seen, "reason": f"stopped at rung {rung}"}
    yield waited + outcome.evaluate[last]
    record: dict[str, Any] = {"natural_accuracy": float(outcome.natural[last])}
    if seen:
        record["rungs"] = seen
    if asked.floor is not None and record["natural_accuracy"] < asked.floor:
        return "infeasible", record
    if not search.races:
        yield outcome.attack_seconds
        return "complete", record | {"attack_accuracy": outcome.attack}
    hits = surface.hits(asked.law, outcome, asked.repeat, seed)
    ends = np.linspace(0, len(hits), CHUNKS + 1).round().astype(int)[1:]
    for begin, end in itertools.pairwise([0, *ends]):
        yield outcome.attack_seconds * (end - begin) / len(hits)
        if end < len(hits) and not search.attack_goes_on(number, record["natural_accuracy"], hits[:end]):
            record |= {"attack_accuracy_so_far": float(hits[:end].mean()), "attacked": end / len(hits)}
            return "stopped", record | {"reason": f"attack broken off after {end} of {len(hits)} people"}
    return "complete", record | {"attack_accuracy": float(hits.mean())}
