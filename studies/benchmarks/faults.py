"""Inject faults into a study by chance, and count what they do: lost trials, doubled ones, processes left running.

    python studies/benchmarks/faults.py --faults 50 --out /tmp/faults

A study of small trials is run undisturbed, then again with faults: signals to its driver, killed workers, a killed node
(raylet) or head (GCS) of Ray, and what a loss of power leaves: a journal, checkpoint or cache entry that is cut, a
damaged study.yaml. After each fault that ends it, it is resumed. At the end both tables are compared. It needs Linux
(/proc).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import pandas as pd
import yaml

from mi_tune.runtime.command import Command, run_command
from mi_tune.search.state import State

STUDIES = Path(__file__).parents[1]
SETUP = {
    "name": "faults",
    "data": {"source": "orl", "resolution": 16, "private_identities": 6},
    "target": {"epochs": 20, "report_every": 2, "replicates": 1},
    "judge": {"kind": "classifier", "recogniser": "none", "epochs": 6},
    "prior": {"samples": 100},
    "search": {"trials": 12, "startup": 2, "sampler": "nehvi"},
}
MARK = "MI_TUNE_FAULTS"
"""Variable by which the processes of a study are found, whoever is their parent."""
LAW = ["reference", "probability", "area_low", "area_high", "aspect_low", "aspect_high", "location", "fill", "count"]
MEASURED = ["state", "natural_accuracy", "attack_accuracy", "realised_area", "repeat_of"]
WORKER = "Trainable"
"""In the command line of a process in which Ray runs a trial."""
PATIENCE_SECONDS = 600.0
GRACE_SECONDS = 3.0
"""How long processes of a study that has ended may still be there."""


class Driver:
    """A study that runs, in a process of its own."""

    def __init__(self, out: Path, mark: str) -> None:
        self.out, self.mark = out, mark
        self.folder = out / "faults"
        self.log = (out / "said.log").open("ab")
        resume = ["--resume"] if (self.folder / "study.yaml").exists() else []
        command = [sys.executable, str(STUDIES / "pareto.py"), "--setup", str(out / "setup.yaml")]
        command += ["--out", str(out), "--workers", "1", "--address", "local", *resume]
        environment = {**os.environ, MARK: mark, "MI_TUNE_CACHE": str(out / "cache")}
        self.said_before = self.log.tell()
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, env=environment, preexec_fn=_as_in_a_terminal
        )

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Its exit status."""
        try:
            return self.process.wait(seconds)
        finally:
            self.log.close()

    def said(self) -> str:
        with (self.out / "said.log").open("rb") as log:
            log.seek(self.said_before)
            return log.read().decode(errors="replace")

    def others(self) -> list[int]:
        """Its processes beside the driver."""
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return [pid for pid in found if pid not in (self.process.pid, os.getpid()) and _alive(pid)]

    def named(self, text: str) -> list[int]:
        """Its processes whose command line contains the text."""
        return [pid for pid in self.others() if text in _command(pid)]


def _as_in_a_terminal() -> None:
    """Undo what nohup and the background of a shell do to the signals of what they start."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _command(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@dataclass
class Count:
    """What became of the faults of one kind. noticed: seconds until each was."""

    noticed: list[float] = field(default_factory=list)
    left: int = 0
    wrong: list[str] = field(default_factory=list)


Fault = Callable[[Driver, np.random.Generator], tuple[float, str]]
"""Injects a fault. Returns after how many seconds it was noticed, and what was wrong about that, "" for nothing."""


def _signal(number: int) -> Fault:
    def inject(driver: Driver, rng: np.random.Generator) -> tuple[float, str]:
        begun = time.monotonic()
        driver.process.send_signal(number)
        status = driver.wait()
        took = time.monotonic() - begun
        if number == signal.SIGKILL:
            return took, ""
        said = driver.said().strip().splitlines()
        if status == 0 and _complete(driver.out):
            return took, ""  # it came when the last trial had ended
        fine = status == 128 + number and said and said[-1].startswith("interrupted; ") and "--resume" in said[-1]
        return took, "" if fine else f"status {status}: {said[-1:]}"

    return inject


def _kill(name: str) -> Fault:
    """Kill a part of Ray that a study cannot do without."""

    def inject(driver: Driver, rng: np.random.Generator) -> tuple[float, str]:
        (pid, *_) = driver.named(name)
        begun = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        status = driver.wait()
        took = time.monotonic() - begun
        said = driver.said().strip().splitlines()
        # status 1: Ray itself ended the process, before the loss was noticed
        fine = status in (1, 2) and said and said[-1].startswith("error: ") and "--resume" in said[-1]
        return took, "" if fine else f"status {status}: {said[-1:]}"

    return inject


def _kill_worker(driver: Driver, rng: np.random.Generator) -> tuple[float, str]:
    before = driver.named(WORKER)
    begun = time.monotonic()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    while time.monotonic() - begun < PATIENCE_SECONDS and driver.process.poll() is None:
        if set(driver.named(WORKER)) - set(before):
            return time.monotonic() - begun, ""
        time.sleep(0.1)
    return time.monotonic() - begun, "its trial was not begun again"


def _cut(which: str) -> Fault:
    """Kill the driver, and cut a file as a loss of power may."""

    def inject(driver: Driver, rng: np.random.Generator) -> tuple[float, str]:
        begun = time.monotonic()
        driver.process.kill()
        driver.wait()
        took = time.monotonic() - begun
        found = sorted(p for p in driver.out.glob(which) if p.is_file() and p.stat().st_size)
        if found:
            path = found[rng.integers(len(found))]
            size = path.stat().st_size
            # of the journal only what was written last can be missing
            os.truncate(path, size - int(rng.integers(1, min(size, 600))) if path.suffix == ".log" else size // 2)
        return took, ""

    return inject


def _damage(driver: Driver, rng: np.random.Generator) -> tuple[float, str]:
    """Kill the driver, damage study.yaml, see that it is said, and restore it."""
    driver.process.kill()
    driver.wait()
    path = driver.folder / "study.yaml"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(rng.integers(1, len(whole) // 2))])
    begun = time.monotonic()
    again = Driver(driver.out, driver.mark)
    status = again.wait()
    took, said = time.monotonic() - begun, again.said().strip()
    path.write_bytes(whole)
    return took, "" if status == 2 and said.count("\n") == 0 else f"status {status}: {said[-300:]}"


FAULTS: dict[str, Fault] = {
    "SIGTERM to the driver": _signal(signal.SIGTERM),
    "SIGINT to the driver": _signal(signal.SIGINT),
    "SIGHUP to the driver": _signal(signal.SIGHUP),
    "SIGKILL to the driver": _signal(signal.SIGKILL),
    "worker killed": _kill_worker,
    "node (raylet) killed": _kill("raylet/raylet"),
    "head (GCS) killed": _kill("gcs_server"),
    "journal cut": _cut("faults/journal.log"),
    "checkpoint cut": _cut("faults/checkpoints/*.pt"),
    "cache entry cut": _cut("cache/*.pt"),
    "study.yaml damaged": _damage,
}


def _begun(driver: Driver) -> bool:
    """Whether a trial runs in a worker, before the driver ends."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and driver.process.poll() is None:
        if driver.named(WORKER):
            return True
        time.sleep(0.2)
    return False


def _left(driver: Driver) -> int:
    """How many processes are left of a study whose driver has ended; they are ended."""
    until = time.monotonic() + GRACE_SECONDS
    while (left := driver.others()) and time.monotonic() < until:
        time.sleep(0.1)
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
    return len(left)


def _table(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "faults" / "trials.parquet").set_index("trial")


def _finish(out: Path, mark: str) -> pd.DataFrame:
    driver = Driver(out, mark)
    status = driver.wait(1800)
    if status:
        raise SystemExit(f"the study cannot be finished, status {status}:\n{driver.said()[-2000:]}")
    return _table(out)


def _prepare(out: Path) -> Path:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / "setup.yaml").write_text(yaml.safe_dump(SETUP))
    return out


@click.command(cls=Command, kept="nothing is lost")
@click.option("--faults", type=click.IntRange(min=1), default=50, help="How many faults.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(FAULTS)), help="Only these.  [default: all]")
@click.option("--seed", type=int, default=0, help="Of the choice of faults.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder, emptied first.")
def benchmark(faults: int, kinds: tuple[str, ...], seed: int, out: Path) -> None:
    """Inject faults by chance."""
    rng = np.random.default_rng(seed)
    chosen = list(kinds or FAULTS)
    order = [kind for _ in range(-(-faults // len(chosen))) for kind in rng.permutation(chosen)][:faults]
    begun = time.monotonic()
    undisturbed = _finish(_prepare(out / "undisturbed"), f"{os.getpid()}-0")
    click.echo(f"undisturbed: {len(undisturbed)} trials in {time.monotonic() - begun:.0f} s")
    counts: defaultdict[str, Count] = defaultdict(Count)
    lost = doubled = different = studies = 0
    while order:
        studies += 1
        place = _prepare(out / f"disturbed-{studies}")
        mark, done = f"{os.getpid()}-{studies}", 0
        driver: Driver | None = None
        while order:
            if driver is None:
                driver = Driver(place, mark)
            if not _begun(driver):
                break  # all its trials have ended
            time.sleep(float(rng.uniform(0, 3)))
            if driver.process.poll() is not None:
                break
            kind = order.pop(0)
            seconds, wrong = FAULTS[kind](driver, rng)
            count = counts[kind]
            count.noticed.append(seconds)
            done += 1
            if wrong:
                count.wrong.append(wrong)
            if driver.process.poll() is not None:
                count.left += _left(driver)
                driver = None
            click.echo(f"  {kind}: {seconds:.1f} s{f', {wrong}' if wrong else ''}")
        if driver is not None:
            driver.wait(1800)
        table = _finish(place, mark) if not _complete(place) else _table(place)
        lost += len(set(undisturbed.index) - set(table.index[table.state != State.RUNNING]))
        doubled += int(table.index.duplicated().sum())
        same = table.loc[undisturbed.index, LAW + MEASURED].equals(undisturbed[LAW + MEASURED])
        different += not same
        click.echo(f"study {studies}: {done} faults, {len(table)} trials, {'same table' if same else 'OTHER TABLE'}")
    rows = pd.DataFrame(
        {
            "faults": {kind: len(count.noticed) for kind, count in counts.items()},
            "noticed after (median, s)": {kind: np.median(count.noticed).round(1) for kind, count in counts.items()},
            "at most (s)": {kind: max(count.noticed).__round__(1) for kind, count in counts.items()},
            "left running": {kind: count.left for kind, count in counts.items()},
            "not said clearly": {kind: len(count.wrong) for kind, count in counts.items()},
        }
    )
    click.echo(rows.to_string())
    left = sum(count.left for count in counts.values())
    click.echo(
        f"{faults} faults in {studies} studies: {lost} trials lost, {doubled} doubled, {left} processes left running, "
        f"{different} tables other than the undisturbed one"
    )


def _complete(out: Path) -> bool:
    table = _table(out)
    return len(table) == SETUP["search"]["trials"] and not (table.state == State.RUNNING).any()  # type: ignore[index]


def main() -> int:
    """Run the command."""
    return run_command(benchmark)


if __name__ == "__main__":
    sys.exit(main())
