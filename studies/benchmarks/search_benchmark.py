"""Which way to search finds the front at what cost? `python studies/benchmarks/search_benchmark.py --table orl`

Searches are replayed from a table of real trials: the real journal and samplers, on a simulated clock, with the noise
that the table's seeds show. Printed for each number of workers: the cost (worker time, in whole trials) from which the
laws that a method recommends have on average 95 % of the hypervolume that is possible, its ratio to that of random
search (or `--against` another) with a 95 % bootstrap interval over repetitions, what they have in the end, by how much
the method's own claim is too high, and the milliseconds of one suggestion. What counts is the true value of what is
recommended, never what was measured of it. `--page` draws all of it.

`--methods` takes searches of Ax and Syne Tune as well, once `pip install 'mi_tune[outside]'` has brought them. Theirs
that fit models take seconds for a suggestion, ours milliseconds.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from analysis import figures
from analysis.pages.plain_page import write_plain_page
from analysis.statistics.searches import Curves, comparison, curves
from mi_tune.replay.earlier import earlier_study
from mi_tune.replay.outside import OUTSIDE_METHODS
from mi_tune.replay.registry import is_modelled, make_search, method_name, starts_warm
from mi_tune.replay.search_methods import PARTS, make_search_method
from mi_tune.replay.simulator import Trace, simulate
from mi_tune.replay.surface import Surface, load_surface
from mi_tune.replay.tables import table_path
from mi_tune.replay.trace_cache import cached_trace
from mi_tune.runtime.command import Command, run_command
from mi_tune.runtime.errors import InputError
from mi_tune.search.samplers import SAMPLERS
from mi_tune.search.state import State
from mi_tune.search.warm import EarlierStudy

BASE = "random"
WINNER = "nehvi+repeat+model"
METHODS = (
    *("random", "qmc", "tpe", "nsga2", "random+model", "nehvi", "nehvi+model", WINNER),
    *(make_search_method(f"{WINNER}+{part}").name for part in ("floor", "moasha", "scout", "race", "twice")),
)
"""Other methods, then what the winner's parts and ways to stop early are worth."""


@dataclass(frozen=True)
class Task:
    """One simulated study."""

    method: str
    workers: int
    repetition: int
    cost: float
    kept: float
    driver_waits: bool
    surfaces: str
    keep: Path | None


_here: dict[str, Surface] = {}


def _load(table: Path, earlier: Path | None, way: str | None) -> None:
    _here["surface"] = load_surface(table, way)
    if earlier is not None:
        _here["earlier"] = load_surface(earlier, way)


@lru_cache
def _earlier(repetition: int, kept: float) -> EarlierStudy | None:
    """The study that was run before, on the other table, if there is one."""
    return earlier_study(_here["earlier"], "earlier", repetition, kept) if "earlier" in _here else None


def _run(task: Task) -> Trace:
    what = {key: value for key, value in asdict(task).items() if key != "keep"}
    return cached_trace(task.keep, what, is_modelled(task.method), lambda: _simulate(task))


def _simulate(task: Task) -> Trace:
    surface = _here["surface"]
    earlier = _earlier(task.repetition, task.kept) if starts_warm(task.method) else None
    search = make_search(task.method, surface, task.repetition, task.kept, earlier)
    seconds = task.cost * surface.mean_seconds()
    floor = surface.floor(task.kept)
    return simulate(surface, search, task.workers, seconds, task.repetition, task.driver_waits, floor)


def _fingerprint(*parts: object) -> str:
    """Changes with the content of any file among the parts, and with any other part."""
    read = (part.read_bytes() if isinstance(part, Path) else repr(part).encode() for part in parts)
    return hashlib.sha256(b"\0".join(read)).hexdigest()


@click.command(cls=Command, kept="of the comparison only what --keep names is kept")
@click.option("--table", default="orl", help="A name in mi_tune/replay/tables, or the path of a .parquet.")
@click.option(
    "--methods",
    default=",".join(METHODS),
    help=f"sampler+part+…: {', '.join(SAMPLERS)}; {', '.join(PARTS)}. Or a search of another framework "
    f"(pip install 'mi_tune[outside]'): {', '.join(OUTSIDE_METHODS)}.",
)
@click.option("--earlier", help="Table of the study that `seeded` and `warm` start from.")
@click.option("--repetitions", default=30, type=click.IntRange(min=2), help="Simulated studies of each method.")
@click.option("--workers", default="1,16", help="Trials at a time; several after commas.")
@click.option("--cost", default=80.0, type=click.FloatRange(min=1), help="Spent by each study, in whole trials.")
@click.option("--longer", default=5.0, type=click.FloatRange(min=1), help="Random search spends so many times that.")
@click.option("--against", default=BASE, help="Method whose cost the ratios are of; it is run too.")
@click.option("--share", default=0.95, type=click.FloatRange(0, 1), help="Of the best hypervolume, to be reached.")
@click.option("--kept", default=0.8, type=click.FloatRange(0, 1), help="The floor, as a share of no defence.")
@click.option("--surface", "way", help="Interpolator of the accuracies.  [default: the one that reads best]")
@click.option("--driver-waits", is_flag=True, help="Let suggestions take their real time on the simulated clock.")
@click.option("--processes", default=2, type=click.IntRange(min=1), help="Studies simulated at a time.")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Folder to keep finished studies in, and to find them in again."
)
@click.option("--page", type=click.Path(path_type=Path), default=Path("search_benchmark.html"), help="Page to write.")
def benchmark(
    table: str,
    methods: str,
    earlier: str | None,
    repetitions: int,
    workers: str,
    cost: float,
    longer: float,
    against: str,
    share: float,
    kept: float,
    way: str | None,
    driver_waits: bool,
    processes: int,
    keep: Path | None,
    page: Path,
) -> None:
    """Replay searches from a table of real trials and compare what they cost."""
    against = method_name(against)
    names = list(dict.fromkeys([BASE, against, *(method_name(text) for text in methods.split(","))]))
    try:
        numbers = [int(text) for text in workers.split(",")]
    except ValueError:
        raise InputError(f"--workers {workers}: give whole numbers, such as 1,16") from None
    if min(numbers) < 1:
        raise InputError(f"--workers {workers}: there is at least one worker")
    path, before = table_path(table), table_path(earlier) if earlier else None
    if before is None and any(starts_warm(name) for name in names):
        raise InputError("seeded and warm start from a study on other data; name its table by --earlier")
    _load(path, before, way)
    surface = _here["surface"]
    console = Console(width=150)
    _describe(surface, kept, console)
    tasks = [
        Task(
            name,
            count,
            repetition,
            cost * (longer if name == BASE else 1),
            kept,
            driver_waits,
            _fingerprint(path, before if starts_warm(name) else None, way),
            keep,
        )
        for count in numbers
        for repetition in range(repetitions)
        for name in names
    ]
    # one thread a process: the matrices are small, and the other core has a process of its own
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        pool = (
            stack.enter_context(ProcessPoolExecutor(processes, context, _load, (path, before, way)))
            if processes > 1
            else None
        )
        done = pool.map(_run, tasks) if pool else map(_run, tasks)
        shown = track(done, "studies", len(tasks), console=Console(stderr=True), transient=True)
        traces = dict(zip(tasks, shown, strict=True))
    best, seconds = surface.best_hypervolume(surface.floor(kept)), surface.mean_seconds()
    sections = []
    for count in numbers:
        mine = {name: [trace for task, trace in traces.items() if (task.method, task.workers) == (name, count)]
                for name in names}  # fmt: skip
        found = {
            name: curves([t.events for t in some], seconds, best, cost * (longer if name == BASE else 1))
            for name, some in mine.items()
        }
        rows = comparison(found, against, share, {name: _more(some) for name, some in mine.items()})
        title = f"{count} worker{'s' if count > 1 else ''}, {repetitions} repetitions"
        console.print(_table(rows, title, share, against))
        sections.append((title, found))
    _write_page(page, sections, share)
    console.print(f"page: {page}", highlight=False, soft_wrap=True)


def _more(traces: list[Trace]) -> dict[str, float]:
    """What a table has beside costs, averaged over repetitions."""
    last = [trace.events.iloc[-1] for trace in traces if len(trace.events)]
    states = pd.concat([trace.events.state for trace in traces]).value_counts() / len(traces)
    return {
        "optimism": float(np.mean([row.claimed - row.hypervolume for row in last])),
        "milliseconds": 1e3 * float(np.mean(np.concatenate([trace.suggestion_seconds for trace in traces]))),
        "complete": float(states.get("complete", 0.0)),
        "other": float(states.drop(State.COMPLETE, errors="ignore").sum()),
    }


def _describe(surface: Surface, kept: float, console: Console) -> None:
    table = Table("value", "read by", "error", "of which noise", box=None, title="leave-one-law-out error")
    for reading in surface.readings:
        if reading.floor is not None:
            error = " / ".join(f"{way} {value:.3f}" for way, value in reading.errors.items())
            table.add_row(reading.value, reading.interpolator, error, f"{reading.floor:.3f}")
    console.print(table)
    deviations = dict(zip(surface.noise.names, surface.noise.deviations, strict=True))
    last = surface.rungs - 1
    floor = surface.floor(kept)
    console.print(
        f"{len(surface.laws)} laws; noise of one trial at an accuracy of one half: "
        f"natural {deviations[f'natural_accuracy@{last}']:.3f}, attack {deviations[f'attack_accuracy@{last}']:.3f}; "
        f"a whole trial takes {surface.mean_seconds():.1f} s; floor {floor:.3f}; "
        f"best possible hypervolume {surface.best_hypervolume(floor):.3f}",
        highlight=False,
        soft_wrap=True,
    )


def _table(rows: pd.DataFrame, title: str, share: float, against: str) -> Table:
    shown = Table(title=title, box=box.SIMPLE, padding=(0, 1))
    shown.add_column("method", no_wrap=True)
    for name in (f"cost to {share:.0%}", f"ratio to {against}", "at equal cost", "optimism", "ms", "complete", "other"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in rows.itertuples():
        reached = not np.isnan(row.cost)
        bound = "" if row.base_reached else "< "
        shown.add_row(
            row.method,
            f"{row.cost:.1f}" if reached else "not reached",
            rf"{bound}{row.ratio:.2f} \[{row.ratio_low:.2f}, {row.ratio_high:.2f}]" if not np.isnan(row.ratio) else "",
            rf"{row.final:.1%} \[{row.final_low:.1%}, {row.final_high:.1%}]",
            f"{row.optimism:+.3f}",
            f"{row.milliseconds:.1f}",
            f"{row.complete:.0f}",
            f"{row.other:.0f}",
        )
    return shown


def _write_page(page: Path, sections: list[tuple[str, dict[str, Curves]]], share: float) -> None:
    text = (
        "True hypervolume of the laws that each method recommends, as a share of the best possible: mean over "
        "repetitions, and the band that holds 80 % of them."
    )
    drawn = {title: figures.plot_searches(figures.searches_info(found, share)) for title, found in sections}
    write_plain_page(page, "Searches compared", text, drawn)


def main() -> int:
    """Run the command."""
    return run_command(benchmark)


if __name__ == "__main__":
    sys.exit(main())
