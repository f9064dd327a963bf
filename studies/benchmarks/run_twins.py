"""Run the twins of published set-ups: `python studies/benchmarks/run_twins.py [NAME ...]`, by default all of them.

Each twin is a whole study of two trials, in a process of its own, with one worker. The script prints the processor time
of each, of all its processes, and fails if one fails or takes longer than a minute of one core.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from mi_tune.library.setup_files import SETUPS

LIMIT = 60.0
"""Seconds of processor time that a twin may take."""


def run_twin(name: str, folder: Path) -> tuple[float, str]:
    """Run one twin; returns its processor seconds and what it printed. Raises CalledProcessError if it fails."""
    command = [sys.executable, "-m", "studies.pareto", "--setup", f"paper/{name}", "--twin"]
    command += ["--workers", "1", "--out", str(folder)]
    here = str(Path(__file__).parents[2])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MI_TUNE_CACHE": str(folder / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    before = os.times()
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, found.stdout


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...]) -> None:
    chosen = names or sorted(file.stem for file in (SETUPS / "paper").glob("*.yaml"))
    failed = 0
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            try:
                seconds, _ = run_twin(name, Path(folder))
            except subprocess.CalledProcessError as error:
                failed += 1
                print(f"{name:45s} FAILED: {error.stderr.strip().splitlines()[-1:]}", flush=True)
                continue
        slow = "" if seconds <= LIMIT else "  too slow"
        failed += bool(slow)
        print(f"{name:45s} {seconds:6.1f} s{slow}", flush=True)
    sys.exit(min(failed, 1))


if __name__ == "__main__":
    main()
