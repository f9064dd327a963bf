"""What a study costs beside its training and attacks: `python studies/benchmarks/benchmark_study.py`.

Runs the default study (or another command line of pareto.py, given after `--`) in an empty folder with an empty
cache, and measures its wall time, the seconds until the first target trains, the memory of all its processes
together. Then the same laws are trained and attacked once more by as many plain processes, without Ray and
without a search: the difference is what Ray and the search cost.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import click
import pandas as pd
import yaml
from rich.console import Console
from rich.table import Table

from mi_tune.search.state import State

PARETO = Path(__file__).parents[1] / "pareto.py"


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def benchmark(arguments: tuple[str, ...]) -> None:
    """Measure one study run by pareto.py with ARGUMENTS."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        environment = os.environ | {"MI_TUNE_CACHE": str(out / "cache"), "RAY_TMPDIR": str(out / "ray")}
        command = [sys.executable, str(PARETO), "--out", str(out / "results"), "--name", "measured", *arguments]
        begun = time.time()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, _memory_mb(str(out), process.pid))
            time.sleep(1)
        wall = time.time() - begun
        if process.returncode:
            sys.exit(process.returncode)
        table = pd.read_parquet(out / "results/measured/trials.parquet")
        config = yaml.safe_load((out / "results/measured/study.yaml").read_text())
        os.environ["MI_TUNE_CACHE"] = str(out / "plain cache")
        plain = _plain(config, table, _workers(table))
    started = pd.to_datetime(table.started, utc=True)
    first = started.min().timestamp() - begun
    workers = _workers(table)
    rows = {
        "wall time": f"{wall:.0f} s",
        "trials": f"{len(table)} ({', '.join(f'{n} {s}' for s, n in table.state.value_counts().items())})",
        "first training begins after": f"{first:.0f} s",
        "most trials at a time": f"{workers}",
        "the same laws in plain processes": f"{plain:.0f} s",
        "Ray and search": f"{wall - plain:+.0f} s, {1 - plain / wall:.1%} of the wall time",
        "largest memory of all processes": f"{peak / 1024:.2f} GB (shared pages counted once)",
        "largest memory of one worker": f"{table.peak_memory_mb.max() / 1024:.2f} GB",
    }
    shown = Table("of the study", "measured", box=None)
    for row in rows.items():
        shown.add_row(*row)
    Console().print(shown)


_here: dict[str, Any] = {}


def _plain(config: dict, table: pd.DataFrame, workers: int) -> float:
    """Seconds that the table's laws take in `workers` processes, judge and start of the processes included."""
    begun = time.time()
    settings = config["config"], config["seed"]
    # the judge is the first task; the other processes wait for it only when they have something to judge
    tasks = [None, *table[table.state != State.FAILED].to_dict("records")]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _load, settings) as pool:
        list(pool.map(_evaluate, tasks))
    return time.time() - begun


def _load(values: dict, seed: int) -> None:
    from mi_tune.runtime.device import pick_device, use_one_thread
    from mi_tune.setup import make_setup
    from mi_tune.trial.assets import load_data, prepare_attacker

    use_one_thread()
    setup, device = make_setup(values, "study.yaml"), pick_device()
    data = load_data(setup, seed)
    attacker = prepare_attacker(setup, data, seed, device)
    _here.update(setup=setup, data=data, seed=seed, device=device, attacker=attacker)


def _evaluate(row: dict | None) -> None:
    from mi_tune.erasing.columns import law_of
    from mi_tune.trial.evaluation import LawEvaluation
    from mi_tune.trial.judges import prepare_judge

    setup, data, seed, device = (_here[name] for name in ("setup", "data", "seed", "device"))
    if row is None:
        prepare_judge(setup, data, seed, device)
        return
    evaluation = LawEvaluation(setup, data, law_of(row), seed, device)
    while not evaluation.trained:
        evaluation.train_block()
    while row["state"] == State.COMPLETE and not evaluation.finished:
        evaluation.attack_next(_here["attacker"], prepare_judge(setup, data, seed, device))


def _workers(table: pd.DataFrame) -> int:
    """The most trials that ran at the same time."""
    events = [(t, 1) for t in table.started] + [(t, -1) for t in table.finished if t]
    running = most = 0
    for _, change in sorted(events, key=lambda event: (event[0], event[1])):
        running += change
        most = max(most, running)
    return most


def _memory_mb(scratch: str, driver: int) -> float:
    """Proportional set size of the driver and of every process that has `scratch` in its environment, in MiB."""
    total = 0
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if int(process.name) != driver and scratch.encode() not in (process / "environ").read_bytes():
                continue
            for line in (process / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except (OSError, ProcessLookupError):
            continue
    return total / 1024


if __name__ == "__main__":
    benchmark()
