"""A cluster whose workers see neither the study folder nor anything else of the driver's disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import make_bank, write_image_folder
from rich.console import Console

from analysis.pages import write_report
from mi_tune.confirmation.crew import CellWork, do_jobs
from mi_tune.confirmation.jobs import AttackJob, Job, JobCost, TargetJob
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import NO_DEFENCE
from mi_tune.setup import make_setup
from mi_tune.study.cluster import connect
from mi_tune.study.run import RunOptions, run_study
from mi_tune.trial.assets import load_data
from mi_tune.trial.estimate import Speed
from mi_tune.trial.point import UNDEFENDED, Point

pytestmark = [pytest.mark.ray, pytest.mark.slow]

QUIET = Console(quiet=True)
TINY = {
    "name": "tiny",
    "data": {"source": "folder", "resolution": 16, "split": [0.5, 0.25, 0.25]},
    "target": {"epochs": 4, "report_every": 2, "flip": False},
    "prior": {"samples": 50},
    "judge": {"epochs": 4},
    "search": {"trials": 5, "startup": 1, "sampler": "random", "min_accuracy_kept": 0.0},
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(command: list[str], ready: str, **environment: str) -> subprocess.Popen:
    """Start a node of Ray and wait until it says so."""
    given = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", **environment}
    given.pop("RAY_ADDRESS", None)
    node = subprocess.Popen(
        command, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert node.stdout is not None
    said = ""
    for line in node.stdout:
        said += line
        if ready in line:
            return node
    pytest.fail(said)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A head on the driver's machine without processors, and a node in a mount namespace of its own: where the test's
    folder is for the driver, it sees an empty disk; its home and working folder are there."""
    hidden, ray = tmp_path / "driver", [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
    hidden.mkdir()
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("only root can hide a disk")
    port = free_port()
    place = Path("/tmp") / f"far-{os.getpid()}"
    place.mkdir()
    head = [*ray, "--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false", f"--temp-dir={place}"]
    node = " ".join([*ray, f"--address=127.0.0.1:{port}", "--num-cpus=1"])
    inside = f"mount -t tmpfs tmpfs {hidden} && mkdir {hidden}/home && cd {hidden}/home && exec {node}"
    nodes = []
    try:
        nodes.append(start(head, "Ray runtime started"))
        far = {"HOME": str(hidden / "home"), "MI_TUNE_CACHE": str(hidden / "home" / "cache")}
        nodes.append(start(["unshare", "-m", "sh", "-c", inside], "Ray runtime started", **far))
        os.environ["RAY_AUTH_MODE"] = "disabled"
        yield f"127.0.0.1:{port}"
    finally:
        for one in reversed(nodes):
            one.send_signal(signal.SIGTERM)
        time.sleep(1)
        for one in reversed(nodes):
            try:
                os.killpg(one.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        shutil.rmtree(place, ignore_errors=True)


def test_what_workers_make_comes_to_the_driver_without_a_shared_disk(address, tmp_path):
    driver = tmp_path / "driver"
    folders = {
        "data.private": str(write_image_folder(make_bank(5, images=8), driver / "private")),
        "data.public": str(write_image_folder(make_bank(8, seed=1), driver / "public")),
    }
    setup = make_setup(TINY, "test", folders)
    outcome = run_study(setup, 0, driver / "tiny", RunOptions(address=address), QUIET)
    table = pd.read_parquet(outcome.folder / "trials.parquet")
    assert table.state.tolist() == ["complete"] * 5, table.reason.tolist()
    for artefacts in table.artefacts:
        folder = outcome.folder / artefacts
        assert json.loads((folder / "history.json").read_text())["epochs"] == [2, 4]
        assert np.load(folder / "reconstructions.npz")["images"].shape[0] == 5
        assert torch.load(folder / "target.pt", weights_only=True)
        for name in ("reconstructions.npz", "target.pt"):
            assert (folder / name).stat().st_mode & 0o077 == 0, f"others can read {name}"

    # the people are the user's own: whoever is shown the study sees no name and no photograph
    write_report(outcome.folder)
    own = load_data(setup, 0).private
    secrets = [name.encode() for name in own.names] + [image.tobytes() for image in own.images]
    for path in outcome.folder.rglob("*"):
        if path.is_file() and path.stat().st_mode & 0o077:  # others can read it
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path
            assert b"data:image/webp" not in content, path  # as the page holds faces that it may show

    data = load_data(setup, 0)
    work = CellWork(setup, data, 0, driver / "confirmation" / "cells")
    point = Point(UNDEFENDED, "reference", Treatment(NO_DEFENCE))
    jobs: list[Job] = [TargetJob(point, 0), AttackJob(point, 0, "ppa:reduced")]
    with connect(address, None, None) as resources:
        for job in jobs:  # the second needs what the first has made, and may run in another process
            do_jobs([job], work, resources, driver / "confirmation", JobCost(setup, data, Speed(1, 1, 1)), "", QUIET)
    kept = sorted(path.name.partition("-")[0] for path in work.cells.glob("*.pt"))
    assert kept[-1] == "verdict" and "attack" in kept and kept.count("target") == 1
