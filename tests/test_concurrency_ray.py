"""Trials at a time on a cluster that grows and shrinks while a study runs."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from mi_tune.study.cluster import NO_TRIAL_LIMIT, connect  # before anything that imports Ray  # isort: skip

from ray import cloudpickle, tune
from ray.cluster_utils import Cluster

from mi_tune.setup import SearchSetup
from mi_tune.study import cluster as cluster_module
from mi_tune.study.journal import StudyJournal
from mi_tune.study.searcher import ParetoSearch

pytestmark = [pytest.mark.ray, pytest.mark.slow]
# workers do not have the tests on their path
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Sleeper(tune.Trainable):
    """A trial that takes a second and has the same accuracies always."""

    def reset_config(self, new_config: dict) -> bool:
        return True

    def step(self) -> dict:
        time.sleep(1)
        return {"state": "complete", "record": {"natural_accuracy": 0.9, "attack_accuracy": 0.5}, "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        pass

    def load_checkpoint(self, checkpoint: str) -> None:
        pass


def test_more_trials_run_once_a_node_has_joined_and_none_is_suggested_ahead(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(cluster_module, "REFRESH_SECONDS", 0.5)
    setup = SearchSetup(sampler="random", trials=12, repeats=0, min_accuracy_kept=None)
    journal = StudyJournal(tmp_path / "journal.log", "study", setup, 0, 30)
    out: list[tuple[int, int]] = []  # trials that are out, and the room for them, whenever one is suggested
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})

    def told(number: int, state: str) -> None:
        if number == 3:
            nodes.add_node(num_cpus=2)

    class Watched(ParetoSearch):
        def suggest(self, trial_id: str) -> dict | str | None:
            config = super().suggest(trial_id)
            if isinstance(config, dict):
                out.append((len(self.numbers), self.capacity()))
            return config

    try:
        with connect(nodes.address, 0, None) as resources:
            assert resources.workers == 1
            tune.Tuner(
                tune.with_resources(Sleeper, {"cpu": 1}),
                tune_config=tune.TuneConfig(
                    search_alg=Watched(journal, on_ended=told, capacity=resources.capacity),
                    num_samples=journal.remaining(),
                    max_concurrent_trials=NO_TRIAL_LIMIT,
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(name="run", storage_path=str(tmp_path / "ray"), verbose=0),
            ).fit()
            assert resources.capacity() == 3
    finally:
        nodes.shutdown()
    assert (journal.table().state == "complete").all()
    assert len(journal.table()) == 12
    assert all(count <= room for count, room in out)
    assert max(count for count, _ in out[:4]) == 1
    assert max(count for count, _ in out) == 3
