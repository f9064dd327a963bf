"""MO-ASHA inside a local Ray: who is stopped, what the journal is told, and what a second run remembers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mi_tune.study.cluster import connect  # before anything that imports Ray  # isort: skip

from ray import cloudpickle, tune

from mi_tune.search.halving import Halving, RungResults, RungSchedule
from mi_tune.setup import SearchSetup, Space
from mi_tune.study.journal import StudyJournal
from mi_tune.study.searcher import ParetoSearch
from mi_tune.study.stopping import ParetoHalving

pytestmark = [pytest.mark.ray, pytest.mark.slow]
# workers do not have the tests on their path
cloudpickle.register_pickle_by_value(sys.modules[__name__])
OBJECTIVES = {"natural_accuracy": "max", "cheap_attack_accuracy": "min"}


class Toy(tune.Trainable):
    """A law's accuracies in closed form, nine steps long."""

    def setup(self, config: dict) -> None:
        self.reset_config(config)

    def reset_config(self, new_config: dict) -> bool:
        law = new_config["law"]
        # erasing more costs accuracy and buys privacy, but large probabilities buy nothing
        self.natural, self.attack = 0.9 - 0.3 * law["area"][0] - 0.3 * law["probability"], 0.9 - law["area"][0]
        self.epoch = 0
        return True

    def step(self) -> dict:
        self.epoch += 1
        if self.epoch == 9:
            record = {"natural_accuracy": self.natural, "attack_accuracy": self.attack}
            return {"state": "complete", "record": record, "done": True}
        return {
            "state": "running",
            "epoch": self.epoch,
            "natural_accuracy": self.natural * self.epoch / 9,
            "cheap_attack_accuracy": self.attack / 2,
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        (Path(checkpoint_dir) / "epoch").write_text(str(self.epoch))

    def load_checkpoint(self, checkpoint: str) -> None:
        self.epoch = int((Path(checkpoint) / "epoch").read_text())


def run(folder: Path, trials: int) -> StudyJournal:
    space = Space(probability=(0.0, 1.0), area_low=(0.02, 0.7), area_span=0.0, aspect_max=1.0)
    setup = SearchSetup(sampler="random", trials=trials, startup=2, repeats=0, min_accuracy_kept=None, space=space)
    journal = StudyJournal(folder / "journal.log", "study", setup, 0, 30)
    rungs = RungResults(tuple(OBJECTIVES.values()), path=folder / "rungs.json")
    halving = ParetoHalving("epoch", OBJECTIVES, Halving(RungSchedule(1, 9), rungs))
    with connect(None, None, 2):
        tune.Tuner(
            Toy,
            tune_config=tune.TuneConfig(
                search_alg=ParetoSearch(journal, stopped=halving.stopped),
                scheduler=halving,
                num_samples=journal.remaining(),
                max_concurrent_trials=2,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(name=f"run-{trials}", storage_path=str(folder / "ray"), verbose=0),
        ).fit()
    return journal


def test_a_study_stops_what_falls_behind_and_a_second_run_goes_on_with_its_rungs(tmp_path):
    journal = run(tmp_path, 16)
    table = journal.table()
    assert set(table.state) == {"complete", "stopped"}
    assert (table.state[table.reference != ""] == "complete").all()
    stopped = table[table.state == "stopped"]
    assert len(stopped) >= 4
    assert stopped.natural_accuracy.isna().all()
    assert stopped.reason.str.contains("stopped at epoch").all()
    assert len(table) == 16
    assert not any(t.state.name == "RUNNING" for t in journal.main.trials)
    seen = len(RungResults(tuple(OBJECTIVES.values()), path=tmp_path / "rungs.json").at("0/1"))
    run(tmp_path, 20)
    assert len(RungResults(tuple(OBJECTIVES.values()), path=tmp_path / "rungs.json").at("0/1")) == seen + 4
