"""What a trial records of the people behind the faces where they are drawn, and nothing where they are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import make_bank, write_image_folder
from drawn_people import TINY
from synthetic_study import write_study

from analysis.statistics import load_study
from mi_tune.data.procedural import IDENTITY
from mi_tune.erasing import NO_DEFENCE
from mi_tune.setup import make_setup
from mi_tune.trial import assets, judges
from mi_tune.trial.assets import load_data
from mi_tune.trial.evaluation import LawEvaluation
from mi_tune.trial.table import ADDED_COLUMNS

CPU = torch.device("cpu")


def evaluated(setup, data) -> LawEvaluation:
    evaluation = LawEvaluation(setup, data, NO_DEFENCE, 0, CPU)
    while not evaluation.trained:
        evaluation.train_block()
    judge, attacker = judges.prepare_judge(setup, data, 0, CPU), assets.prepare_attacker(setup, data, 0, CPU)
    while not evaluation.finished:
        evaluation.attack_next(attacker, judge)
    return evaluation


def test_a_trial_on_drawn_faces_says_how_far_it_came_without_a_judge(tmp_path):
    setup = make_setup(TINY, "test")
    data = load_data(setup, 0)
    evaluation = evaluated(setup, data)
    record = evaluation.attack_record()
    assert {name for name in ADDED_COLUMNS if "identi" in name} <= set(record)
    assert record["identity_error_low"] <= record["identity_error"] <= record["identity_error_high"]
    assert record["start_identity_error"] > 0
    assert 0 <= record["identification_rate"] <= 1

    # by hand, from the reconstructions of the first replicate
    regressor = judges.prepare_judge(setup, data, 0, CPU).regressor
    recovered = regressor.recover(evaluation.first[0].images.flatten(0, 1), CPU).view(4, -1, len(IDENTITY))
    away = recovered - torch.from_numpy(data.identity_parameters)[:, None]
    weights = regressor.recovered_share / regressor.recovered_share.sum()
    by_hand = np.sqrt((away.numpy() ** 2 * weights).sum(2)).mean(1) / regressor.random_distance
    assert evaluation.attacked[0]["per_class_error"] == pytest.approx(by_hand.tolist(), rel=1e-4)
    evaluation.write_artefacts(tmp_path)
    assert "identity_error" in (tmp_path / "per_class.csv").read_text().splitlines()[0]


def test_a_trial_on_photographs_says_nothing_of_the_kind(tmp_path):
    folders = {
        "data.private": str(write_image_folder(make_bank(4, size=16), tmp_path / "private")),
        "data.public": str(write_image_folder(make_bank(6, size=16, seed=1), tmp_path / "public")),
    }
    values = {**TINY, "data": {"source": "folder", "resolution": 16}, "prior": {"samples": 40}}
    setup = make_setup(values, "test", folders)
    assert not set(ADDED_COLUMNS) - {"people_attacked"} & set(evaluated(setup, load_data(setup, 0)).attack_record())


def test_studies_from_before_there_were_drawn_faces_can_still_be_read(tmp_path):
    folder = write_study(tmp_path / "old")
    import pandas as pd

    table = pd.read_parquet(folder / "trials.parquet")
    table.drop(columns=list(ADDED_COLUMNS)).to_parquet(folder / "trials.parquet", index=False)
    study = load_study(folder)
    assert study.trials[list(ADDED_COLUMNS)].isna().all(axis=None)
    assert study.trials.attack_accuracy.equals(load_study(write_study(tmp_path / "new")).trials.attack_accuracy)
