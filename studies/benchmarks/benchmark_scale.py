"""Does the driver keep up with many workers and many trials?

`python studies/benchmarks/benchmark_scale.py --workers 1000`

The driver's side of a study is the real one: a journal in a file, the sampler, the searcher that Ray asks, the table
and the lines that a person sees. Workers are simulated: a trial takes about `--seconds` on a clock on which the
driver's own real time passes too, and its accuracies are a closed form of its law with noise. Printed at 200, 1,000,
3,000, … trials: the driver's milliseconds a trial over the last tenth of them and what they go to, the share of their
time that workers had something to do, memory and files; and what was found, as the share of the best possible
hypervolume that the recommended laws truly have: those on the front as it was measured, and as a model expects it.
"""

from __future__ import annotations

import heapq
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from optuna.samplers import RandomSampler
from rich import box
from rich.console import Console
from rich.table import Table

from mi_tune.erasing import ErasingLaw
from mi_tune.erasing.columns import law_of
from mi_tune.runtime.device import use_one_thread
from mi_tune.search.front import front_mask, hypervolume
from mi_tune.search.front_model import FrontModel
from mi_tune.search.geometry import Geometry
from mi_tune.search.observations import Observations
from mi_tune.search.samplers import SAMPLERS, sobol_points
from mi_tune.search.space import distributions, law_from, params_of
from mi_tune.search.state import State
from mi_tune.setup import SearchSetup, Space
from mi_tune.study.folder import StudyFolder
from mi_tune.study.journal import StudyJournal
from mi_tune.study.progress import StudyProgress
from mi_tune.study.searcher import ParetoSearch
from mi_tune.study.table_keeper import TableKeeper
from mi_tune.trial.table import COLUMNS

PEOPLE = 30
"""Whose accuracies a trial averages."""
CHECKPOINTS = (200, 1_000, 3_000, 10_000, 30_000, 100_000)
MEASUREMENT_NOISE = 0.03
"""Standard deviation of both accuracies of one trial."""


def true_accuracies(law: ErasingLaw) -> tuple[float, float]:
    """Natural and attack accuracy of a law: erasing more costs the one and lowers the other, and some ways are best."""
    erased = law.probability * (law.area[0] + law.area[1]) / 2
    span = law.area[1] - law.area[0]
    clumsy = 0.6 * (span - 0.25) ** 2 + 0.1 * (np.log(law.aspect[1]) - 0.4) ** 2 + 0.15 * (1 - law.probability) ** 2
    clumsy += {"inside": 0.02, "overflow": 0.0, "periphery": 0.06}.get(law.location, 0.0)
    clumsy += {"midre": 0.03, "mean": 0.01, "noise": 0.0}.get(str(law.fill), 0.0)
    natural = 0.97 - 0.45 * erased**3 - 0.5 * clumsy
    attack = 0.95 * (1 - erased) ** 1.5 + clumsy
    return float(np.clip(natural, 0, 1)), float(np.clip(attack, 0, 1))


def best_hypervolume(space: Space) -> float:
    """That of the laws that are best in all but how much they erase, and of many others for the ends of the front."""
    known = distributions(space)
    best = {"probability": 1.0, "area_span": 0.25, "aspect_max": float(np.exp(0.4)), "location": "overflow"}
    points = [best | {"fill": "noise", "area_low": low} for low in np.linspace(*space.area_low, 2000)]
    points += sobol_points(known, 0, 0, 2**15)
    return hypervolume(*np.array([true_accuracies(law_from(space, point)) for point in points]).T)


@dataclass
class _Spent:
    """Real seconds of the driver for one trial; of `processor`, those that it computed."""

    processor: float = 0.0
    suggest: float = 0.0
    tell: float = 0.0
    told: float = 0.0

    @property
    def all(self) -> float:
        return self.suggest + self.tell + self.told


class Driver:
    """What the driver of a study does for each trial, with its time taken.

    Args:
        folder: of the study, empty. lines: where the lines for a person go.
    """

    def __init__(
        self, folder: Path, setup: SearchSetup, seed: int, workers: int, seconds: float, lines: Console
    ) -> None:
        self.now = 0.0
        self.study = StudyFolder(folder)
        self.study.claim()
        self.journal = StudyJournal(self.study.journal, "scale", setup, seed, PEOPLE)
        self.progress = StudyProgress(self.journal, lines, lambda: workers, seconds)
        self.keeper = TableKeeper(self.study, self.journal, lambda: self.now)
        self.search = ParetoSearch(self.journal, self._told, capacity=lambda: workers)
        self._telling = 0.0

    def _told(self, number: int, state: str) -> None:
        begun = time.perf_counter()
        self.progress.trial_ended(number, state)
        self.keeper.mark_stale()
        self._telling += time.perf_counter() - begun

    def suggest(self, trial_id: str) -> tuple[dict | str | None, float]:
        begun = time.perf_counter()
        config = self.search.suggest(trial_id)
        return config, time.perf_counter() - begun

    def tell(self, trial_id: str, result: dict) -> tuple[float, float]:
        """Seconds of the telling, and of what a person and the table are told."""
        begun, self._telling = time.perf_counter(), 0.0
        self.search.on_trial_complete(trial_id, result)
        return time.perf_counter() - begun - self._telling, self._telling

    def fill(self, trials: int, rng: np.random.Generator) -> None:
        """Let the study have so many random trials already; nobody's time is taken."""
        model, self.journal.main.sampler = self.journal.main.sampler, RandomSampler(0)
        with self.journal.batch_writes():
            for _ in range(trials):
                asked = self.journal.ask()
                result = result_of({"trial": asked.number, "law": asked.law.to_dict(), "floor": asked.floor}, 30.0, rng)
                record = {k.removeprefix("record/"): v for k, v in result.items() if k.startswith("record/")}
                self.journal.tell(asked.number, result["state"], record)
        self.journal.main.sampler = model

    def finish(self) -> None:
        self.keeper.write()
        self.study.release()


def result_of(config: dict, seconds: float, rng: np.random.Generator) -> dict[str, Any]:
    """What a worker reports of a trial, flattened as Ray flattens it, with every column that a study's table has."""
    law = ErasingLaw.from_dict(config["law"])
    natural, attack = np.clip(true_accuracies(law) + MEASUREMENT_NOISE * rng.standard_normal(2), 0, 1)
    record: dict[str, Any] = dict.fromkeys(
        COLUMNS[COLUMNS.index("start_attack_accuracy") : COLUMNS.index("floor")], 0.5
    )
    for name, value in (("natural_accuracy", natural), ("attack_accuracy", attack)):
        record |= {name: float(value), f"{name}_low": float(value) - 0.05, f"{name}_high": float(value) + 0.05}
    record |= {"attack_accuracy_top5": 0.9, "realised_area": 0.3, "attack": "ppa", "budget": "reduced"}
    record |= {"judge": "residual_gn", "judge_accuracy": 0.97, "forward_passes": 123456, "backward_passes": 65432}
    record |= {"train_seconds": seconds / 2, "attack_seconds": seconds / 2, "seconds": seconds, "peak_memory_mb": 900.0}
    record |= {"replicates": 2, "started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T00:00:30+00:00"}
    record |= {"artefacts": f"trials/{config['trial']:04d}", "reason": ""}
    state = State.COMPLETE
    if config["floor"] is not None and natural < config["floor"]:
        state = State.INFEASIBLE
        for name in [name for name in record if "attack" in name and name != "attack_seconds"]:
            del record[name]
    return {"state": state, **{f"record/{name}": value for name, value in record.items()}}


@dataclass(frozen=True)
class Reached:
    """The state of things at a number of trials."""

    trials: int
    spent: list[_Spent]
    busy: float
    memory_mb: float
    journal_mb: float
    table_mb: float
    measured: float
    expected: float


def run(
    driver: Driver, trials: int, already: int, workers: int, seconds: float, most_seconds: float, best: float
) -> list[Reached]:
    """Let simulated workers do what `already` random ones leave of `trials`, or as much as the driver handles in
    `most_seconds` of real time."""
    rng = np.random.default_rng(driver.journal.seed)
    driver.fill(already, rng)
    due: list[tuple[float, str, dict, float]] = []
    reached: list[Reached] = []
    spent: list[_Spent] = []
    count, worked, begun = 0, 0.0, time.perf_counter()
    before = _memory_mb()

    def begin(free: float, cost: _Spent) -> None:
        nonlocal count
        name = f"{count:06d}"
        config, cost.suggest = driver.suggest(name)
        driver.now = max(driver.now, free) + cost.suggest
        if isinstance(config, dict):
            count += 1
            took = seconds * float(np.exp(0.2 * rng.standard_normal()))
            heapq.heappush(due, (driver.now + took, name, config, took))
        elif config != ParetoSearch.FINISHED:
            raise RuntimeError("a worker is free and gets no trial")

    for _ in range(workers):
        begin(0.0, _Spent())
    while due:
        at, name, config, took = heapq.heappop(due)
        driver.now = max(driver.now, at)
        worked += took
        cost, computed = _Spent(), time.process_time()
        cost.tell, cost.told = driver.tell(name, result_of(config, took, rng))
        driver.now += cost.tell + cost.told
        begin(driver.now, cost)
        cost.processor = time.process_time() - computed
        spent.append(cost)
        over = already + len(spent) >= trials or time.perf_counter() - begun > most_seconds
        if already + len(spent) in CHECKPOINTS or over:
            under_way = sum(driver.now - (end - length) for end, _, _, length in due)
            reached.append(
                Reached(
                    already + len(spent),
                    spent[-max((already + len(spent)) // 10, 20) :],
                    (worked + under_way) / (workers * driver.now),
                    _memory_mb() - before,
                    driver.study.journal.stat().st_size / 1e6,
                    (driver.study.path / "trials.csv").stat().st_size / 1e6,
                    *(volume / best for volume in recommended(driver.journal)),
                )
            )
        if over:
            break
    driver.finish()
    return reached


def recommended(journal: StudyJournal) -> tuple[float, float]:
    """True hypervolume of the laws on the front: as measured, and as a model expects it."""
    table = journal.table()
    complete = table[table.state == State.COMPLETE]
    laws = [law_of(row) for row in complete.to_dict("records")]
    truth = np.array([true_accuracies(law) for law in laws])
    measured = front_mask(complete.natural_accuracy.to_numpy(float), complete.attack_accuracy.to_numpy(float))
    space, geometry = journal.search.space, Geometry(journal.space)
    trials, inside = [], []
    for row in table[table.state.isin(State.measured())].to_dict("records"):
        params = params_of(space, law_of(row))
        if params is not None:
            trials.append((params, row))
            inside.append(row["state"] == State.COMPLETE)
    observed = Observations.of_trials(geometry, trials)
    model = FrontModel(geometry).update(observed)
    some = np.array(inside)
    natural, attack = model.expected(observed.units[some])
    held = np.array([params_of(space, law) is not None for law in laws])
    floor = journal.floor()
    above = natural >= (0.0 if floor is None else floor)
    expected = np.flatnonzero(held)[above][front_mask(natural[above], attack[above])]
    return hypervolume(*truth[measured].T), hypervolume(*truth[expected].T)


def _cells(row: Reached) -> list[str]:
    suggest = 1e3 * np.array([cost.suggest for cost in row.spent])

    def mean(name: str) -> str:
        return f"{1e3 * np.mean([getattr(cost, name) for cost in row.spent]):.1f}"

    return [
        *(f"{row.trials:,}", mean("all"), mean("processor"), mean("suggest")),
        *(f"{np.quantile(suggest, 0.95):.1f}", f"{suggest.max():.0f}", mean("tell"), mean("told")),
        *(f"{row.busy:.0%}", f"{row.memory_mb:.0f}", f"{row.journal_mb:.1f}", f"{row.table_mb:.1f}"),
        *(f"{row.measured:.2%}", f"{row.expected:.2%}"),
    ]


def _memory_mb() -> float:
    """Memory of this process that is resident now, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--samplers", default="nehvi,random", help=f"Several after commas: {', '.join(SAMPLERS)}.")
@click.option("--seed", default=0, help="Of the study and of the trials' noise.")
@click.option("--workers", default=1000, type=click.IntRange(min=1), help="Trials at a time.")
@click.option(
    "--trials", default=10_000, type=click.IntRange(min=10), help="That end; as many more as there are workers begin."
)
@click.option("--already", default=0, type=click.IntRange(min=0), help="Of these, random ones that are there before.")
@click.option("--seconds", default=30.0, type=click.FloatRange(min=0, min_open=True), help="That a trial takes.")
@click.option("--most-seconds", default=1e9, help="Real time after which a study is broken off and reported.")
@click.option("--folder", type=click.Path(path_type=Path), help="Of the study's files.  [default: a temporary one]")
def benchmark(
    samplers: str,
    seed: int,
    workers: int,
    trials: int,
    already: int,
    seconds: float,
    most_seconds: float,
    folder: Path | None,
) -> None:
    """Measure what the driver of a study costs."""
    use_one_thread()
    best = best_hypervolume(Space())
    shown = Table(title=f"{workers} workers, {seconds:g} s a trial", box=box.SIMPLE, padding=(0, 1))
    shown.add_column("sampler", no_wrap=True)
    columns = (
        "trials",
        "ms",
        "processor",
        "suggest",
        "95 %",
        "most",
        "tell",
        "table",
        "busy",
        "MB",
        "journal",
        "table MB",
    )
    for name in (*columns, "measured", "expected"):
        shown.add_column(name, justify="right", no_wrap=True)
    for sampler in samplers.split(","):
        setup = SearchSetup(sampler=sampler, trials=trials + workers)
        with ExitStack() as stack:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))
            lines = Console(file=stack.enter_context((place / "lines").open("w")), width=200)
            driver = Driver(place / "study", setup, seed, workers, seconds, lines)
            for row in run(driver, trials, already, workers, seconds, most_seconds, best):
                shown.add_row(sampler, *_cells(row))
    Console(width=160).print(shown)


if __name__ == "__main__":
    sys.exit(benchmark())
