"""Where along the front does the search spend its trials? `python studies/benchmarks/search_spread.py --table orl`

The default search is replayed from a table of real trials, as in `search_benchmark.py`, once for each reference point
from which an improvement can be counted (`COUNTED`), with the same seeds. Printed for each:

- the cost from which the recommended laws have on average 95 % of the possible hypervolume: the usual one, from natural
  accuracy 0 and attack accuracy 1; and the one above the floor, from the floor and the undefended law's attack
  accuracy, which counts only what a user could choose;
- both shares after a default study, and averaged over all costs;
- of the trials of a default study, the share of laws that nearly always erase and reach large areas (`in_corner`), and
  of new laws the share below the floor;
- the largest gap between the natural accuracies of the laws that it recommends, as a share of the best front's range.

Below each value is its difference from the first reference point, paired by seed, with a 95 % interval.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from analysis.statistics.searches import Curves, cost_ratio, cost_to, curves
from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.replay.search_methods import SimulatedStudy, make_search_method
from mi_tune.replay.simulator import simulate
from mi_tune.replay.surface import Surface, load_surface
from mi_tune.replay.tables import table_path
from mi_tune.runtime.command import Command, run_command
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import did_you_mean
from mi_tune.search.front import front_mask, hypervolume
from mi_tune.search.nehvi import NoisyImprovementSampler, ReferencePoint, usual_reference
from mi_tune.search.samplers import SobolStart
from mi_tune.search.state import State

METHOD = "nehvi+repeat+model"
LIKELY, LARGE = 0.9, 0.7
"""The corner: laws of a larger probability, whose largest area is larger."""
SHARE = 0.95
MARGIN = 0.1
"""The scale in BoTorch's `infer_reference_point`."""
VALUES = {
    "usual": "usual hypervolume, share",
    "above": "hypervolume above the floor, share",
    "gap": "largest gap along the front",
    "corner": "laws in the corner",
    "infeasible": "new laws below the floor",
    "usual on average": "usual hypervolume, average over all costs",
    "above on average": "hypervolume above the floor, average over all costs",
}
"""What is printed beside costs: after a default study, unless it says otherwise."""


def from_floor(natural: np.ndarray, attack: np.ndarray, floor: float | None) -> tuple[float, float | np.ndarray]:
    """The floor and attack accuracy 1: only what lies above the floor counts."""
    return floor or 0.0, 1.0


def from_front(natural: np.ndarray, attack: np.ndarray, floor: float | None) -> tuple[float, float | np.ndarray]:
    """The floor and, in each sample, the highest attack accuracy of a finished law that is not below it."""
    least = floor or 0.0
    highest = np.where(natural >= least, attack, 0.0).max(1, initial=0.0)
    return least, np.where(highest > 0, highest, 1.0)


def from_margin(natural: np.ndarray, attack: np.ndarray, floor: float | None) -> tuple[float, float | np.ndarray]:
    """As `from_front`, moved away from the front by MARGIN of its range, as BoTorch infers a reference point.

    Then the ends of the front count too.
    """
    least, highest = from_front(natural, attack, floor)
    counts = natural >= least
    lowest_attack = np.where(counts, attack, 1.0).min(1, initial=1.0)
    reach = float(np.where(counts, natural, least).max(1, initial=least).mean()) - least
    return least - MARGIN * reach, np.minimum(highest + MARGIN * (highest - lowest_attack), 1.0)


COUNTED: dict[str, ReferencePoint] = {
    "usual": usual_reference,
    "floor": from_floor,
    "front": from_front,
    "margin": from_margin,
}
"""Reference points by name."""


@dataclass(frozen=True)
class Task:
    """One simulated study."""

    counted: str
    repetition: int
    workers: int
    cost: float
    kept: float
    trials: int


@dataclass(frozen=True)
class Course:
    """What is asked of one simulated study.

    Args:
        events: `cost` in worker-seconds, and `usual` and `above`, the true hypervolumes of the recommended laws after
            each trial. corner, infeasible, gap: see this file's docstring; after the first trials.
    """

    events: pd.DataFrame
    corner: float
    infeasible: float
    gap: float


class WatchedStudy(SimulatedStudy):
    """A simulated study that keeps which laws it recommended after each trial."""

    recommended: list[list[ErasingLaw]]

    def recommend(self) -> tuple[list[ErasingLaw], float]:
        found = super().recommend()
        self.recommended = [*getattr(self, "recommended", []), found[0]]
        return found


def in_corner(law: ErasingLaw) -> bool:
    """Whether a law always erases and reaches large areas."""
    return law.probability > LIKELY and law.area[1] > LARGE


def largest_gap(natural: np.ndarray, attack: np.ndarray, low: float, high: float) -> float:
    """Largest gap in natural accuracy between laws of their front, ends included, as a share of `low` to `high`."""
    places = natural[front_mask(natural, attack)] if len(natural) else natural
    places = np.clip(places, low, high)
    return float(np.diff(np.sort([low, *places, high])).max() / (high - low))


@lru_cache
def _surface(path: Path) -> Surface:
    return load_surface(path)


@lru_cache
def _best(path: Path, kept: float) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Both accuracies of the best front, the floor, and the attack accuracy without defence."""
    surface = _surface(path)
    floor = surface.floor(kept)
    return *surface.best_front(floor), floor, float(surface.truth([NO_DEFENCE])[1][0])


def run(path: Path, task: Task) -> Course:
    """Simulate one study."""
    surface = _surface(path)
    best_natural, _, floor, undefended = _best(path, task.kept)
    study = WatchedStudy(make_search_method(METHOD), surface, task.repetition, task.kept)
    start = study.journal.main.sampler
    assert isinstance(start, SobolStart) and isinstance(start.model, NoisyImprovementSampler)
    start.model.reference = COUNTED[task.counted]
    seconds = task.cost * surface.mean_seconds()
    events = simulate(surface, study, task.workers, seconds, task.repetition, floor=floor).events
    above, gap = [], 1.0
    for number, laws in enumerate(study.recommended):
        natural, attack = surface.truth(laws) if laws else (np.empty(0), np.empty(0))
        natural, attack = natural[natural >= floor], attack[natural >= floor]
        above.append(hypervolume(natural, attack, floor, undefended))
        if number < task.trials:
            gap = largest_gap(natural, attack, float(best_natural.min()), float(best_natural.max()))
    table = study.journal.table().set_index("trial").sort_index()
    first = [asked for number, asked in sorted(study.asked.items()) if number < task.trials and not asked.reference]
    ended = [asked for asked in first if table.state[asked.number] in State.measured()]
    new = [table.state[asked.number] == State.INFEASIBLE for asked in ended if not asked.repeat]
    return Course(
        pd.DataFrame({"cost": events.cost, "usual": events.hypervolume, "above": above}),
        float(np.mean([in_corner(asked.law) for asked in ended])),
        float(np.mean(new)),
        gap,
    )


def _run(given: tuple[Path, Task]) -> Course:
    return run(*given)


@dataclass(frozen=True)
class Outcome:
    """All studies of one way to count: curves of both hypervolumes, and values after the first trials, (studies,)."""

    usual: Curves
    above: Curves
    values: dict[str, np.ndarray]


def outcome(courses: Sequence[Course], seconds: float, best: tuple[float, float], cost: float, trials: int) -> Outcome:
    """Sum up the studies of one way to count; `best` are both best possible hypervolumes."""

    def curve(name: str, most: float) -> Curves:
        return curves([c.events.rename(columns={name: "hypervolume"}) for c in courses], seconds, most, cost)

    after = [course.events.iloc[min(trials, len(course.events)) - 1] for course in courses]
    values = {
        "usual": np.array([one.usual for one in after]) / best[0],
        "above": np.array([one.above for one in after]) / best[1],
        **{name: np.array([getattr(course, name) for course in courses]) for name in ("corner", "infeasible", "gap")},
    }
    usual, above = curve("usual", best[0]), curve("above", best[1])
    values |= {"usual on average": usual.hypervolume.mean(1), "above on average": above.hypervolume.mean(1)}
    return Outcome(usual, above, values)


@click.command(cls=Command, kept="nothing is kept of the comparison")
@click.option("--table", default="orl", help="A name in mi_tune/replay/tables, or the path of a .parquet.")
@click.option("--counted", default=",".join(COUNTED), help=f"Reference points, after commas: {', '.join(COUNTED)}.")
@click.option("--repetitions", default=30, type=click.IntRange(min=2), help="Simulated studies of each way.")
@click.option("--workers", default=1, type=click.IntRange(min=1), help="Trials at a time.")
@click.option("--cost", default=80.0, type=click.FloatRange(min=1), help="Spent by each study, in whole trials.")
@click.option("--trials", default=36, type=click.IntRange(min=5), help="Trials of a default study.")
@click.option("--kept", default=0.8, type=click.FloatRange(0, 1), help="The floor, as a share of no defence.")
@click.option("--processes", default=2, type=click.IntRange(min=1), help="Studies simulated at a time.")
def spread(
    table: str, counted: str, repetitions: int, workers: int, cost: float, trials: int, kept: float, processes: int
) -> None:
    """Replay the default search and show where along the front it spends its trials."""
    ways = [text.strip() for text in counted.split(",")]
    for way in ways:
        if way not in COUNTED:
            raise InputError(f"--counted {way}: {did_you_mean(way, COUNTED)}")
    path = table_path(table)
    tasks = [Task(way, number, workers, cost, kept, trials) for number in range(repetitions) for way in ways]
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    given = [(path, task) for task in tasks]
    console = Console(width=220)
    if processes > 1:
        with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
            done = list(track(pool.map(_run, given), "studies", len(tasks), Console(stderr=True), transient=True))
    else:
        done = [_run(one) for one in track(given, "studies", console=Console(stderr=True), transient=True)]
    surface = _surface(path)
    natural, attack, floor, undefended = _best(path, kept)
    best = hypervolume(natural, attack), hypervolume(natural, attack, floor, undefended)
    found = {
        way: outcome([c for t, c in zip(tasks, done, strict=True) if t.counted == way],
                     surface.mean_seconds(), best, cost, trials)
        for way in ways
    }  # fmt: skip
    console.print(
        f"floor {floor:.3f}, without defence {float(surface.truth([NO_DEFENCE])[0][0]):.3f} / {undefended:.3f}; "
        f"the best front reaches from {natural.min():.3f} / {attack.min():.3f} to {natural.max():.3f} / "
        f"{attack[natural.argmax()]:.3f}; best possible {best[0]:.3f}, above the floor {best[1]:.3f}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_table(found, f"{table}, {workers} at a time, {repetitions} studies, {trials} trials of each"))


def _table(found: dict[str, Outcome], title: str) -> Table:
    base, *others = found
    shown = Table(title=title, box=box.SIMPLE, padding=(0, 1))
    shown.add_column("", no_wrap=True)
    for name in found:
        shown.add_column(name, justify="right", no_wrap=True)
    for name in ("usual", "above"):
        every = {way: getattr(one, name) for way, one in found.items()}
        costs = {way: cost_to(c.cost, c.mean, SHARE) for way, c in every.items()}
        texts = {way: "not reached" if np.isnan(cost) else f"{cost:.1f}" for way, cost in costs.items()}
        ratios = {way: cost_ratio(every[way], every[base], SHARE) for way in others}
        texts |= {
            way: rf"{texts[way]} (x {r.value:.2f} \[{r.low:.2f}, {r.high:.2f}])"
            for way, r in ratios.items()
            if not np.isnan(r.value)
        }
        shown.add_row(f"cost to {SHARE:.0%} of the hypervolume: {name}", *texts.values())
    for name, text in VALUES.items():
        first = found[base].values[name]
        differences = [_paired(found[way].values[name], first) for way in others]
        shown.add_row(text, f"{first.mean():.3f}", *differences)
    return shown


def _paired(values: np.ndarray, first: np.ndarray) -> str:
    difference = values - first
    half = 1.96 * difference.std(ddof=1) / np.sqrt(len(difference))
    mean = difference.mean()
    return rf"{values.mean():.3f} ({mean:+.3f} \[{mean - half:+.3f}, {mean + half:+.3f}])"


def main() -> int:
    """Run the command."""
    return run_command(spread)


if __name__ == "__main__":
    sys.exit(main())
