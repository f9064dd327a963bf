"""Two nodes on one machine: one is lost in the middle of a trial, and another one joins late."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pandas as pd
import pytest
import ray
from conftest import make_bank, write_image_folder
from ray.cluster_utils import Cluster
from rich.console import Console
from test_no_shared_disk_ray import TINY

from mi_tune.setup import make_setup
from mi_tune.study.folder import StudyFolder
from mi_tune.study.run import RunOptions, run_study

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_a_trial_goes_on_elsewhere_when_its_node_is_lost(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    # a node that is added from a thread cannot set it
    monkeypatch.setattr("ray._private.utils.set_sigterm_handler", lambda handler: None)
    folders = {
        "data.private": str(write_image_folder(make_bank(5, images=8), tmp_path / "private")),
        "data.public": str(write_image_folder(make_bank(8, seed=1), tmp_path / "public")),
    }
    setup = make_setup(TINY, "test", folders | {"target.epochs": 200})
    study = StudyFolder(tmp_path / "tiny")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    first = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    lost = threading.Event()

    def lose_the_first() -> None:
        until = time.monotonic() + 300
        while time.monotonic() < until and not _running(study):
            time.sleep(0.2)
        cluster.add_node(num_cpus=1)  # joins late
        cluster.remove_node(first, allow_graceful=False)
        lost.set()

    thread = threading.Thread(target=lose_the_first)
    thread.start()
    try:
        outcome = run_study(setup, 0, study.path, RunOptions(), Console(quiet=True))
    finally:
        thread.join()
        ray.shutdown()
        cluster.shutdown()
    assert lost.is_set()
    table = pd.read_parquet(outcome.folder / "trials.parquet")
    assert table.trial.tolist() == list(range(5))
    assert table.state.tolist() == ["complete"] * 5, table.reason.tolist()


def _running(study: StudyFolder) -> bool:
    """Whether a trial has been handed out to a worker some seconds ago."""
    journal: Path = study.journal
    return journal.exists() and '"state":"running"' in journal.read_text() and time.time() - journal.stat().st_mtime > 4
