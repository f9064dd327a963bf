"""A sample of the people attacked in each trial: who they are, what is written down, and what is made of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import make_bank, write_image_folder

from analysis.statistics.control_line import ControlCurve
from mi_tune import InputError
from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.judging import class_interval
from mi_tune.setup import make_setup
from mi_tune.trial import assets, judges
from mi_tune.trial.assets import load_data
from mi_tune.trial.attacked import attacked_people
from mi_tune.trial.evaluation import LawEvaluation
from mi_tune.trial.laws import classes_in, laws_of
from mi_tune.trial.table import table_of

CPU = torch.device("cpu")
VALUES = {
    "target": {"epochs": 2, "report_every": 2, "batch_size": 16},
    "prior": {"samples": 40},
    "judge": {"epochs": 1, "recogniser": "none"},
}


def test_the_people_are_the_same_for_every_law_of_a_study_and_others_for_another_study():
    setup = make_setup({"attack": {"identities": 5}}, "test")
    drawn = [attacked_people(setup, 30, seed) for seed in (0, 0, 1, 2)]
    assert drawn[0].tolist() == drawn[1].tolist() == sorted(set(drawn[0].tolist()))
    assert len({tuple(people) for people in drawn}) == 3
    assert attacked_people(make_setup({}, "test"), 7, 0).tolist() == list(range(7))
    with pytest.raises(InputError, match="there are only 4 private people"):
        attacked_people(setup, 4, 0)


@pytest.fixture(scope="module")
def evaluations(tmp_path_factory):
    """The same two laws, attacked on all people and on a sample."""
    place = tmp_path_factory.mktemp("people")
    folders = {
        "source": "folder",
        "resolution": 16,
        "private": str(write_image_folder(make_bank(9), place / "private")),
        "public": str(write_image_folder(make_bank(6, seed=1), place / "public")),
    }
    found = {}
    for name, attack in (("all", {}), ("some", {"identities": 5})):
        setup = make_setup({**VALUES, "data": folders, "attack": attack}, "test")
        data = load_data(setup, 0)
        judge, attacker = judges.prepare_judge(setup, data, 0, CPU), assets.prepare_attacker(setup, data, 0, CPU)
        for law in (NO_DEFENCE, ErasingLaw(probability=1, area=(0.5, 0.5))):
            evaluation = LawEvaluation(setup, data, law, 0, CPU, stops=(1,))
            while not evaluation.trained:
                evaluation.train_block()
            while not evaluation.finished:
                evaluation.attack_next(attacker, judge)
            found[name, law.probability] = evaluation
    return found


def test_only_the_sample_is_attacked_and_its_mean_and_interval_are_the_trials(evaluations):
    whole, some = evaluations["all", 0], evaluations["some", 0]
    people = some.people
    assert evaluations["some", 1].people.tolist() == people.tolist()
    record = some.attack_record()
    assert (record["people_attacked"], whole.attack_record()["people_attacked"]) == (5, 9)
    assert record["forward_passes"] < whole.attack_record()["forward_passes"]
    hits = some.attacked[0]["per_class"]
    assert len(hits) == 5
    interval = class_interval(np.array(hits))
    assert [record[f"attack_accuracy{end}"] for end in ("", "_low", "_high")] == list(interval)
    assert some.per_class_natural == whole.per_class_natural  # natural accuracy is that of all people


def test_the_files_name_who_was_attacked_and_leave_the_others_empty(evaluations, tmp_path):
    some = evaluations["some", 0]
    some.write_artefacts(tmp_path)
    table = classes_in(tmp_path / "per_class.csv")
    assert len(table) == 9 and table.natural_accuracy.notna().all()
    assert np.flatnonzero(table.attack_accuracy.notna()).tolist() == some.people.tolist()
    assert table.attack_accuracy[some.people].tolist() == pytest.approx(some.attacked[0]["per_class"])
    stopped = pd.read_csv(tmp_path / "stopped_early.csv")
    assert np.flatnonzero(stopped.attack_accuracy.notna()).tolist() == some.people.tolist()
    with np.load(tmp_path / "reconstructions.npz") as stored:
        assert len(stored["images"]) == 5
        assert stored["class_names"].tolist() == [some.data.private.names[k] for k in some.people]


def test_repeats_of_a_law_have_an_interval_over_those_who_were_attacked(evaluations, tmp_path):
    some = evaluations["some", 0]
    rows = []
    for trial in (0, 1):
        some.write_artefacts(tmp_path / f"trials/{trial}")
        record = some.training_record() | some.attack_record()
        rows.append(
            {
                **record,
                "trial": trial,
                "law": NO_DEFENCE.to_dict(),
                "state": "complete",
                "repeat_of": 0 if trial else None,
                "artefacts": f"trials/{trial}",
            }
        )
    law = laws_of(table_of(rows), tmp_path).iloc[0]
    assert [law[f"attack_accuracy{end}"] for end in ("", "_low", "_high")] == pytest.approx(
        [rows[0][f"attack_accuracy{end}"] for end in ("", "_low", "_high")]
    )


def test_the_control_line_of_a_sample_is_that_of_all_people_with_wider_intervals():
    rng = np.random.default_rng(0)
    natural = np.array([[0.4], [0.8]]) + rng.normal(0, 0.02, 400)
    attack = np.array([[0.2], [0.6]]) + rng.normal(0, 0.15, 400)
    whole = ControlCurve("stopped early", ("a", "b"), natural, attack)
    sampled = attack.copy()
    sampled[:, rng.permutation(400)[80:]] = np.nan
    some = ControlCurve("stopped early", ("a", "b"), natural, sampled)
    assert some.at(0.6).value == pytest.approx(whole.at(0.6).value, abs=0.03)
    width = lambda estimate: estimate.high - estimate.low  # noqa: E731
    assert 1.5 < width(some.at(0.6)) / width(whole.at(0.6)) < 3.5
    gain, _ = some.gain(natural[1] - 0.1, np.where(np.isnan(sampled[0]), np.nan, sampled[1] - 0.3))
    assert gain.low <= gain.value <= gain.high
    assert gain.value == pytest.approx(0.2, abs=0.03)
    exact = ControlCurve("stopped early", ("a", "b"), natural, np.where(np.isnan(sampled), np.nan, 0.5))
    assert exact.at(0.6) == pytest.approx((0.5, 0.5, 0.5))
