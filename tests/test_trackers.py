"""Trackers and callbacks of a study: what they are told, and that none of them ends it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import make_bank
from ray import tune
from rich.console import Console

import mi_tune
from mi_tune import InputError
from mi_tune.library.tuning import plan_study
from mi_tune.study.run import RunOptions
from mi_tune.study.trackers import READY, open_trackers
from mi_tune.study.trackers.watch import curve_of, picture_of

PRIVATE, PUBLIC = make_bank(5, images=8), make_bank(8, seed=1)
IMAGES = {"private": (PRIVATE.images, PRIVATE.labels), "public": (PUBLIC.images, PUBLIC.labels)}
OWN = """
from pathlib import Path

from ray import tune


class Notes(tune.Callback):
    def __init__(self):
        self.place = Path({place!r})

    def setup(self, **info):
        self.place.write_text("set up\\n")

    def on_trial_result(self, iteration, trials, trial, result, **info):
        with self.place.open("a") as file:
            file.write(f"{{trial.config['trial']}} {{result['state']}}\\n")


class Broken(Notes):
    def on_trial_result(self, **info):
        raise OSError("the server is gone")


def text():
    return "no callback"
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN.format(place=str(tmp_path / "notes.txt")))
    return path


def run(tmp_path: Path, *callbacks: object, images: bool = True) -> tuple[mi_tune.Study, str]:
    """A small study with these callbacks, and what it prints."""
    said = io.StringIO()
    options = RunOptions(smoke=True, workers=2, callbacks=callbacks)
    keywords = IMAGES | {"trials": 4, "attack": "map_logit"}
    planned = plan_study(None, keywords, "watched", tmp_path, 0, images, options)
    outcome = planned.run(Console(file=said, width=300))
    assert outcome.finished
    return mi_tune.load(outcome.folder), said.getvalue()


@pytest.mark.slow
@pytest.mark.ray
def test_every_ready_tracker_gets_accuracies_parameters_curves_and_pictures(tmp_path, monkeypatch, one_ray):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    here = [name for name, ready in READY.items() if ready.needs is None or _installed(ready.needs)]
    assert {"csv", "tensorboard"} <= {*here}
    study, said = run(tmp_path, *here)
    assert "left out" not in said
    table = study.table.set_index("trial")
    folder = study.folder / "trackers"
    ours = pd.read_csv(folder / "csv" / "trials.csv").set_index("trial").sort_index()
    for column in ("natural_accuracy_low", "attack_accuracy", "attack_accuracy_high", "probability", "area_high"):
        assert np.allclose(ours[column], table[column]), column
    epochs = pd.read_csv(folder / "csv" / "epochs.csv")
    assert {*epochs.trial} == {0, 1, 2, 3} and {*epochs.epoch} == {2, 4}
    assert len(list((folder / "csv").glob("trial-*.png"))) == 4
    _check_tensorboard(folder / "tensorboard", table)
    if "mlflow" in here:
        _check_mlflow(folder / "mlflow", table)
    if "wandb" in here:
        assert len(list((folder / "wandb").glob("offline-run-*"))) == 4


def _installed(package: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(package) is not None


def _check_tensorboard(folder: Path, table: pd.DataFrame) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for number, row in table.iterrows():
        events = reading.EventAccumulator(str(folder / f"{number:04d}")).Reload()
        for name in ("natural_accuracy", "attack_accuracy", "attack_accuracy_low", "attack_accuracy_high"):
            (value,) = [event.value for event in events.Scalars(f"trial/{name}")][-1:]
            assert value == pytest.approx(row[name])
        assert [event.step for event in events.Scalars("train/train_loss")] == [2, 4]
        assert events.Images("reconstructions")


def _check_mlflow(folder: Path, table: pd.DataFrame) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=folder.as_uri())
    experiment = client.get_experiment_by_name("watched")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(int(found.data.params["trial"]) for found in runs) == [0, 1, 2, 3]
    for found in runs:
        row = table.loc[int(found.data.params["trial"])]
        assert found.data.metrics["attack_accuracy_high"] == pytest.approx(row.attack_accuracy_high)
        assert found.data.params["location"] == row.location
        assert [one.step for one in client.get_metric_history(found.info.run_id, "train.natural_accuracy")] == [2, 4]
        assert [one.path for one in client.list_artifacts(found.info.run_id)] == ["reconstructions.png"]
        assert found.info.status == "FINISHED"


@pytest.mark.slow
@pytest.mark.ray
def test_a_callback_of_the_user_sees_results_and_a_broken_one_is_said_once_and_ends_nothing(tmp_path, own, one_ray):
    class Missing(tune.Callback):
        def on_trial_start(self, **info):
            raise RuntimeError("not today")

    study, said = run(tmp_path, f"{own}:Notes", f"{own}:Broken", Missing(), "csv", images=False)
    assert study.finished and (study.table.state == "complete").all()
    assert said.count("left out from now on") == 2
    assert "OSError: the server is gone" in said and "callback Missing failed" in said
    notes = (tmp_path / "notes.txt").read_text()
    assert notes.count("complete") == 4
    assert not list((study.folder / "trackers").rglob("*.png")), "images are not allowed"


def test_what_is_no_callback_is_one_line_before_anything_is_computed(tmp_path, own, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for wrong, hint in {
        "tensorbord": "tensorboard",
        f"{own}:text": "a str is no callback",
        f"{own}:Note": "Notes",
        "nowhere.py:make": "nowhere.py",
        "a b:c": "neither",
        3: "a int is no callback",
        tune.Callback: "is a class",
    }.items():
        with pytest.raises(InputError, match=hint) as caught:
            mi_tune.tune("orl", smoke=True, callbacks=[wrong], quiet=True)
        assert "\n" not in str(caught.value)
    assert not os.path.exists("results")  # noqa: PTH110


def test_a_tracker_whose_package_is_missing_says_what_to_install(monkeypatch):
    monkeypatch.setitem(READY, "mlflow", READY["mlflow"]._replace(needs="no_such_package"))
    with pytest.raises(InputError, match=r"pip install 'mi_tune\[mlflow\]'"):
        open_trackers(["mlflow"], False, Console(quiet=True))


def test_a_trial_without_files_has_neither_curve_nor_picture(tmp_path):
    assert curve_of(tmp_path / "history.json") == []
    assert picture_of(tmp_path / "reconstructions.npz") is None


def test_a_picture_shows_the_best_reconstruction_of_each_person_side_by_side(tmp_path):
    images = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1, 1) * np.ones((3, 2, 1, 4, 5), np.uint8)
    np.savez(tmp_path / "r.npz", images=images)
    picture = picture_of(tmp_path / "r.npz")
    assert picture.shape == (4, 15, 3)
    assert picture[0, ::5, 0].tolist() == [0, 1, 2]
