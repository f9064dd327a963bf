"""Whole studies on a local Ray: what is measured, and what survives failures, kill -9 and a time budget."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import assert_provenance, make_bank, write_image_folder
from rich.console import Console

from mi_tune.erasing.columns import law_of
from mi_tune.runtime.errors import InputError
from mi_tune.setup import StoppingSetup, make_setup
from mi_tune.study.journal import StudyJournal
from mi_tune.study.run import RunOptions, run_study

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("one_ray")]

TINY = {
    "name": "tiny",
    "data": {"source": "folder", "resolution": 16, "split": [0.5, 0.25, 0.25]},
    "target": {"epochs": 4, "report_every": 2, "replicates": 2, "flip": False},
    "prior": {"samples": 50},
    "judge": {"epochs": 6},
    "search": {
        "trials": 6,
        "startup": 1,
        "controls": False,
        "sampler": "random",
        "min_accuracy_kept": 0.0,
        "space": {"probability": [0.0, 1.0], "area_span": [0.0, 0.7], "aspect_max": [1.0, 3.3]},
    },
}
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("images")
    return {
        "data.private": str(write_image_folder(make_bank(5, images=8), root / "private")),
        "data.public": str(write_image_folder(make_bank(8, seed=1), root / "public")),
    }


def setup_with(folders: dict[str, str], **changes):
    return make_setup(TINY, "test", folders | {k.replace("__", "."): v for k, v in changes.items()})


@pytest.fixture(scope="module")
def finished(folders, tmp_path_factory, one_ray) -> tuple[Path, pd.DataFrame]:
    path = tmp_path_factory.mktemp("studies") / "tiny"
    outcome = run_study(setup_with(folders, search__controls=True), 0, path, RunOptions(workers=2), QUIET)
    assert outcome.finished
    return path, pd.read_parquet(path / "trials.parquet")


def test_a_study_measures_both_objectives_of_every_trial_with_intervals(finished):
    _, table = finished
    assert table.state.tolist() == ["complete"] * 6
    for name in ("natural_accuracy", "attack_accuracy", "start_attack_accuracy"):
        assert (table[f"{name}_low"] <= table[name]).all()
        assert (table[name] <= table[f"{name}_high"]).all()
        assert table[name].between(0, 1).all()
    assert (table.forward_passes > table.backward_passes).all()
    assert (table.backward_passes == 2 * 5 * 2 * 40).all()  # replicates, classes, candidates, steps
    assert table.judge_accuracy.nunique() == 1
    assert (table.realised_area[table.probability == 0] == 0).all()
    assert table.realised_area[table.reference == "MIDRE(0.1, 0.8)"].item() == pytest.approx(0.45, abs=0.1)


def test_the_table_is_the_same_as_parquet_and_csv(finished):
    path, table = finished
    csv = pd.read_csv(path / "trials.csv", keep_default_na=False)
    assert csv.columns.tolist() == table.columns.tolist()
    assert np.allclose(csv.attack_accuracy.astype(float), table.attack_accuracy)


def test_every_trial_leaves_its_artefacts(finished):
    path, table = finished
    for folder in table.artefacts:
        history = json.loads((path / folder / "history.json").read_text())
        assert history["epochs"] == [2, 4]
        assert np.shape(history["natural_accuracy"]) == (2, 2)
        assert np.shape(history["erase_map"]) == (16, 16)
        made = np.load(path / folder / "reconstructions.npz")
        assert made["images"].shape == (5, 2, 1, 16, 16)
        assert made["judge_top1"].shape == made["target_confidence"].shape == (5, 2)
        assert torch.load(path / folder / "target.pt", weights_only=True)
        for name in ("reconstructions.npz", "target.pt"):
            assert (path / folder / name).stat().st_mode & 0o077 == 0, f"others can read {name}"


def test_only_the_trial_without_defence_attacks_its_earlier_epochs(finished):
    path, table = finished
    with_stops = [row.reference for row in table.itertuples() if (path / row.artefacts / "stopped_early.csv").exists()]
    assert with_stops == ["no defence"]


def test_the_controls_of_a_study_are_kept_beside_its_trials_and_made_when_they_are_missing(finished, folders, tmp_path):
    path, table = finished
    controls = pd.read_csv(path / "controls.csv")
    kinds = {"fewer images", "smaller network", "pre-trained"}
    assert {*controls.kind} == kinds
    assert {*controls.class_name} == {*pd.read_csv(path / table.artefacts[0] / "per_class.csv").class_name}
    assert controls.attack_accuracy.between(0, 1).all()
    copy = Path(shutil.copytree(path, tmp_path / "study"))
    (copy / "controls.csv").unlink()
    without = run_study(setup_with(folders), 0, copy, RunOptions(workers=2, resume=True), QUIET)
    assert without.finished and not (copy / "controls.csv").exists()
    wanted = setup_with(folders, search__controls=True)
    assert run_study(wanted, 0, copy, RunOptions(workers=2, resume=True), QUIET).finished
    assert pd.read_csv(copy / "controls.csv").equals(controls)
    assert pd.read_parquet(copy / "trials.parquet").equals(table), "no trial was run again"
    assert yaml.safe_load((copy / "study.yaml").read_text())["config"]["search"]["controls"]


def test_the_stored_target_has_the_accuracy_that_the_table_says(finished, folders):
    from mi_tune.nets import create_classifier
    from mi_tune.nets.training import predict
    from mi_tune.trial.assets import load_data

    path, table = finished
    data = load_data(setup_with(folders), 0)
    model = create_classifier("small_cnn", 5, 1, 16, 0)
    for row in table.itertuples():
        model.load_state_dict(torch.load(path / row.artefacts / "target.pt", weights_only=True))
        images, labels = data.private.tensors()
        val = torch.from_numpy(data.split.val)
        accuracy = float((predict(model, images, torch.device("cpu"), val).argmax(1) == labels[val]).float().mean())
        history = json.loads((path / row.artefacts / "history.json").read_text())
        assert accuracy == pytest.approx(history["natural_accuracy"][0][-1])


def test_study_yaml_names_judge_prior_budget_fingerprints_and_versions(finished):
    path, table = finished
    config = yaml.safe_load((path / "study.yaml").read_text())
    assert_provenance(config)
    assert config["judge"]["held_out_accuracy"] == pytest.approx(table.judge_accuracy[0])
    assert config["attack"]["budget"] == "reduced"
    assert config["attack"]["parts"]["stages"][0]["steps"] == 40
    assert config["data"]["private"]["train"] == 20
    assert len({config["data"]["private"]["fingerprint"], config["data"]["public"]["fingerprint"]}) == 2
    assert config["prior"]["fingerprint"]
    assert config["baselines"] == {"chance": 0.2, "judge_on_held_out": config["judge"]["held_out_accuracy"]}
    assert not config["images_allowed"]
    assert not (path / "examples.npz").exists()


def test_the_same_trial_gives_the_same_numbers_with_one_worker_or_two(finished, folders, tmp_path):
    _, table = finished
    again = run_study(setup_with(folders, search__trials=4), 0, tmp_path / "again", RunOptions(workers=1), QUIET)
    second = pd.read_parquet(again.folder / "trials.parquet")
    for name in ("natural_accuracy", "attack_accuracy", "start_attack_accuracy", "realised_area"):
        assert second[name].tolist() == table[name][:4].tolist()


def test_a_finished_study_is_not_run_again_and_not_overwritten(finished, folders):
    path, table = finished
    with pytest.raises(InputError, match="--resume"):
        run_study(setup_with(folders), 0, path, RunOptions(), QUIET)
    run_study(setup_with(folders), 0, path, RunOptions(resume=True), QUIET)
    assert pd.read_parquet(path / "trials.parquet").equals(table)


@pytest.mark.parametrize(
    ("changes", "seed", "hint"),
    [({"target__epochs": 5}, 0, "target.epochs"), ({"attack__budget": "full"}, 0, "attack.budget"), ({}, 1, "seed")],
)
def test_a_study_of_another_setup_is_not_continued(finished, folders, changes, seed, hint):
    with pytest.raises(InputError, match=hint):
        run_study(setup_with(folders, **changes), seed, finished[0], RunOptions(resume=True), QUIET)


def test_a_study_whose_images_changed_is_not_continued(finished, tmp_path):
    changed = {
        "data.private": str(write_image_folder(make_bank(5, images=8, seed=3), tmp_path / "private")),
        "data.public": str(write_image_folder(make_bank(8, seed=1), tmp_path / "public")),
    }
    path, _ = finished
    config = yaml.safe_load((path / "study.yaml").read_text())
    config["config"]["data"] |= {"private": changed["data.private"], "public": changed["data.public"]}
    copy = tmp_path / "study"
    copy.mkdir()
    (copy / "study.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match="changed since"):
        run_study(setup_with(changed), 0, copy, RunOptions(resume=True), QUIET)


def test_a_study_goes_on_where_its_images_have_moved(finished, folders, tmp_path):
    moved = {key: str(shutil.copytree(place, tmp_path / key)) for key, place in folders.items()}
    copy = shutil.copytree(finished[0], tmp_path / "study")
    assert run_study(setup_with(moved), 0, copy, RunOptions(resume=True), QUIET).finished
    assert pd.read_parquet(copy / "trials.parquet").equals(finished[1])
    places = yaml.safe_load((copy / "study.yaml").read_text())["config"]["data"]
    assert {f"data.{side}": places[side] for side in ("private", "public")} == moved


def test_what_all_trials_share_is_no_law_s_failure_and_is_tried_again_on_resume(folders, tmp_path):
    good = (Path(__file__).parent / "own_recognisers.py").read_text()
    recogniser = tmp_path / "recogniser.py"
    works = "        return self.project("
    # what no trial asks for fails the study too: the 40 public photographs that are compared with private people
    only_public = "        if len(images) == 40:\n            raise OSError('gone')\n"
    breaks = f"        if __import__('os').getpid() != {os.getpid()}:\n            raise OSError('the disk is gone')\n"
    recogniser.write_text(good.replace(works, breaks + works))
    setup = setup_with(folders, judge__recogniser=f"{recogniser}:Pixels", judge__kind="classifier", search__trials=4)
    path = tmp_path / "study"
    with pytest.raises(InputError, match=r"the recogniser of all trials .*the disk is gone") as caught:
        run_study(setup, 0, path, RunOptions(workers=2), QUIET)
    assert "\n" not in str(caught.value)
    assert "--resume" in str(caught.value)
    assert set(pd.read_parquet(path / "trials.parquet").state) == {"running"}
    recogniser.write_text(good.replace(works, only_public + works))
    with pytest.raises(InputError, match=r"the pairs of all trials could not be made: .*gone.*--resume"):
        run_study(setup, 0, path, RunOptions(workers=2, resume=True), QUIET)
    recogniser.write_text(good)
    assert run_study(setup, 0, path, RunOptions(workers=2, resume=True), QUIET).finished
    assert pd.read_parquet(path / "trials.parquet").state.tolist() == ["complete"] * 4


def test_a_private_person_among_the_public_ones_and_names_like_formulas_are_noticed(tmp_path):
    people, strangers = make_bank(5, images=16), make_bank(8, seed=1)
    early = np.concatenate([np.flatnonzero(people.labels == k)[:8] for k in range(5)])
    late = np.flatnonzero(people.labels == 2)[8:]  # other photographs of the third person
    private = write_image_folder(people.take(early), tmp_path / "private")
    public = write_image_folder(strangers, tmp_path / "public")
    for name in people.names:
        (private / name).rename(private / f"={name}")
    write_image_folder(dataclasses.replace(people.take(late), names=["someone else"] * 5), public)
    recogniser = f"{Path(__file__).parent / 'own_recognisers.py'}:Pixels"
    given = {"data.private": str(private), "data.public": str(public)}
    setup = setup_with(given, judge__recogniser=recogniser, judge__kind="classifier", search__trials=3)
    said = io.StringIO()
    run_study(setup, 0, tmp_path / "study", RunOptions(workers=2), Console(file=said, width=400))
    config = yaml.safe_load((tmp_path / "study" / "study.yaml").read_text())
    assert config["recogniser"]["pairs_with_public"] == 1
    assert f"two names ('={people.names[2]}' and 'someone else')" in said.getvalue()
    per_class = pd.read_csv(tmp_path / "study" / "trials" / "0000" / "per_class.csv")
    assert per_class.class_name.tolist() == [f"'={name}" for name in people.names]


def test_trials_that_diverge_fail_with_their_reason_and_the_study_goes_on(folders, tmp_path):
    setup = setup_with(
        folders, target__learning_rate=1e30, target__optimiser="sgd", target__replicates=1, search__trials=3
    )
    outcome = run_study(setup, 0, tmp_path / "study", RunOptions(workers=2), QUIET)
    table = pd.read_parquet(outcome.folder / "trials.parquet")
    assert outcome.finished
    assert table.state.tolist() == ["failed"] * 3
    assert table.reason.str.contains("diverged").all()
    assert table.attack_accuracy.isna().all()


def test_a_law_below_the_floor_is_infeasible_and_not_attacked(folders, tmp_path):
    setup = setup_with(folders, search__trials=6, search__min_accuracy=1.0, target__epochs=1, target__replicates=1)
    outcome = run_study(setup, 0, tmp_path / "study", RunOptions(workers=2), QUIET)
    table = pd.read_parquet(outcome.folder / "trials.parquet")
    searched = table[table.reference == ""]
    assert searched.state.tolist() == ["infeasible"] * 2
    assert searched.attack_accuracy.isna().all()
    assert searched.forward_passes.isna().all()
    assert (table.state[:4] == "complete").all()  # reference points are always attacked


def start_driver(folders: dict[str, str], out: Path, *more: str) -> subprocess.Popen:
    setup = out.parent / "slow.yaml"
    values = json.loads(json.dumps(TINY))
    values["target"] |= {"epochs": 300, "report_every": 5, "replicates": 1}
    setup.write_text(yaml.safe_dump(values))
    pareto = Path(__file__).parents[1] / "studies" / "pareto.py"
    command = [
        sys.executable,
        str(pareto),
        "--setup",
        str(setup),
        "--private",
        folders["data.private"],
        "--public",
        folders["data.public"],
        "--name",
        "tiny",
        "--out",
        str(out),
        "--trials",
        "5",
        "--resolution",
        "16",
        *more,
    ]
    return subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for(journal: Path, trials: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if journal.exists() and journal.read_text().count('"datetime_complete":"') >= trials:
            return
        time.sleep(0.2)
    pytest.fail(f"fewer than {trials} trials had finished after {seconds} s")


def test_a_study_whose_driver_is_killed_goes_on_and_loses_nothing(folders, tmp_path):
    out = tmp_path / "results"
    driver = start_driver(folders, out)
    wait_for(out / "tiny" / "journal.log", 2, 120)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    setup_file = yaml.safe_load((out / "tiny" / "study.yaml").read_text())["config"]
    before = StudyJournal(out / "tiny" / "journal.log", "tiny", make_setup(setup_file, "x").search, 0, 30).table()
    done = before[before.state == "complete"]
    assert 2 <= len(done) < 5

    again = start_driver(folders, out, "--resume")
    output, _ = again.communicate(timeout=200)
    assert again.returncode == 0, output
    after = pd.read_parquet(out / "tiny" / "trials.parquet")
    assert after.state.tolist() == ["complete"] * 5
    assert after.trial.tolist() == list(range(5))
    # what had finished was not run again, and what was open kept its law
    kept = after.set_index("trial").loc[done.trial]
    assert kept.finished.tolist() == done.finished.tolist()
    open_laws = before[before.state == "running"].set_index("trial")[["probability", "area_low"]]
    assert after.set_index("trial").loc[open_laws.index, open_laws.columns].equals(open_laws)
    assert after[["probability", "area_low", "area_high"]].duplicated().sum() == 0


def test_a_time_budget_ends_the_study_in_order_and_it_can_go_on(folders, tmp_path):
    out = tmp_path / "results"
    driver = start_driver(folders, out, "--time-budget", "0.15")
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == 0, output
    assert "--resume" in output
    table = pd.read_parquet(out / "tiny" / "trials.parquet")
    assert (table.state == "complete").sum() < 5
    assert not (table.state == "failed").any()


def test_a_study_can_stop_trials_by_what_a_cheap_attack_finds_half_way(folders, tmp_path):
    stopping = {"scheduler": "moasha", "grace": 1, "reduction": 2}
    setup = setup_with(folders, target__replicates=1, target__report_every=4, search__trials=14, search__repeats=0)
    setup = setup.model_copy(update={"search": setup.search.model_copy(update={"stopping": StoppingSetup(**stopping)})})
    folder = run_study(setup, 0, tmp_path / "tiny", RunOptions(workers=2), QUIET).folder
    table = pd.read_parquet(folder / "trials.parquet")
    assert set(table.state) == {"complete", "stopped"}
    stopped = table[table.state == "stopped"]
    assert (stopped.reference == "").all()
    assert stopped.reason.str.match(r"stopped at epoch [12]: natural_accuracy .*, cheap_attack_accuracy").all()
    assert stopped.natural_accuracy.isna().all() and (stopped.seconds > 0).all()
    rungs = json.loads((folder / "rungs.json").read_text())["losses"]
    # all but the reference points came to the first rung, and fewer to the second
    assert len(rungs["0/1"]) == (table.reference == "").sum() > len(rungs["0/2"]) > 0
    journal = StudyJournal(folder / "journal.log", "tiny", setup.search, 0, 5)
    ended = [t for t in journal.main.trials if t.user_attrs["state"] == "complete" and "reference" not in t.user_attrs]
    # what was seen on the way of those that finished tells a model what it means
    assert all(len(t.user_attrs["rungs"]) == 2 for t in ended)


@pytest.mark.parametrize(
    ("stopping", "hint"),
    [
        ({"unit": "steps"}, "trials report epoch"),
        ({"grace": 4}, "leaves no rung"),
        ({"grace": 1, "brackets": 5}, "ask for at most"),
    ],
)
def test_stopping_that_cannot_work_is_refused_before_anything_runs(folders, tmp_path, stopping, hint):
    setup = setup_with(folders)
    stopping = StoppingSetup(scheduler="moasha", **stopping)
    setup = setup.model_copy(update={"search": setup.search.model_copy(update={"stopping": stopping})})
    with pytest.raises(InputError, match=hint):
        run_study(setup, 0, tmp_path / "tiny", RunOptions(workers=2), QUIET)
    assert not (tmp_path / "tiny").exists()


def test_a_study_that_started_from_an_earlier_one_goes_on_without_it(finished, folders, tmp_path):
    earlier = tmp_path / "earlier"
    shutil.copytree(finished[0], earlier)
    warm = {"search__warm_start": str(earlier), "search__sampler": "nehvi", "target__replicates": 1}
    folder = tmp_path / "tiny"
    assert run_study(setup_with(folders, search__trials=5, **warm), 0, folder, RunOptions(workers=2), QUIET).finished
    shutil.rmtree(earlier)
    outcome = run_study(setup_with(folders, **warm), 0, folder, RunOptions(workers=2, resume=True), QUIET)
    assert outcome.trials == 6
    notes = yaml.safe_load((folder / "study.yaml").read_text())["warm_start"]
    assert notes[0].startswith("1 law of its front first")
    first = law_of(pd.read_parquet(folder / "trials.parquet").query("reference == ''").iloc[0])
    there = [law_of(row) for _, row in finished[1].query("reference == ''").iterrows()]
    assert any(
        (first.location, first.fill) == (law.location, law.fill)
        and [first.probability, *first.area] == pytest.approx([law.probability, *law.area])
        for law in there
    )
