"""The table of real trials: which laws, what is measured of them, and the way to disk and back."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import assert_provenance, folder_setup

from mi_tune.erasing import ErasingLaw
from mi_tune.nets.training import Training
from mi_tune.replay import tables
from mi_tune.replay.tabulation.about import description, trials_per_class
from mi_tune.replay.tabulation.cells import TrialBench
from mi_tune.replay.tabulation.design import DesignLaw, design
from mi_tune.replay.tabulation.rows import HITS, trial_rows, write_table
from mi_tune.replay.tabulation.trial import rungs
from mi_tune.runtime.errors import DivergedError, InputError
from mi_tune.search.optuna_private import holds
from mi_tune.search.space import distributions, law_from
from mi_tune.setup import Space
from mi_tune.trial.assets import cheap_attacker, load_data, prepare_attacker
from mi_tune.trial.evaluation import LawEvaluation
from mi_tune.trial.judges import prepare_judge
from mi_tune.trial.point import CONFIRMED_LAWS
from mi_tune.trial.targets import natural_per_class, target_training

CPU = torch.device("cpu")
SPACE = Space(probability=(0.0, 1.0), area_span=(0.0, 0.7), aspect_max=(1.0, 3.3), count=(1, 3))
LAW = ErasingLaw(1.0, area=(0.1, 0.4), fill="mean")


# ----------------------------------------------------------------------------------------------------------- design


def test_a_longer_design_begins_with_the_shorter():
    longest = design(SPACE, 70, 0)
    assert [law.number for law in longest] == list(range(70))
    for laws in (1, 4, 5, 6, 33):
        assert design(SPACE, laws, 0) == longest[:laws]


def test_the_reference_laws_come_first_and_every_other_law_is_in_the_space():
    found = design(SPACE, 69, 0)
    references = found[: len(CONFIRMED_LAWS)]
    assert {law.reference: law.law for law in references} == CONFIRMED_LAWS
    # black is no fill of this space
    assert [law.reference for law in references if not law.in_space] == ["torchvision default"]
    searched = distributions(SPACE)
    for law in found[len(CONFIRMED_LAWS) :]:
        assert law.reference == "" and law.in_space and set(law.params) == set(searched)
        assert law.law == law_from(SPACE, law.params)
        assert all(holds(searched[name], v) for name, v in law.params.items())
        assert law.params["probability"] >= 0.05
    # 64 points of a Sobol sequence: as many in each half of every range
    areas = [law.params["area_low"] for law in found[len(CONFIRMED_LAWS) :]]
    assert sum(area < (0.02 + 0.7) / 2 for area in areas) == 32


def test_another_seed_draws_other_laws_and_a_space_without_ranges_is_refused():
    assert design(SPACE, 9, 0)[-1].law != design(SPACE, 9, 1)[-1].law
    fixed = Space(probability=1.0, area_low=0.1, area_span=0.1, aspect_max=1.0, location=["inside"], fill=["mean"])
    with pytest.raises(InputError, match="fixes every parameter"):
        design(fixed, 9, 0)


def test_rungs_are_a_ninth_a_third_and_the_whole_of_the_schedule():
    assert rungs(90) == (10, 30, 90)
    assert rungs(80) == (9, 27, 80)
    assert rungs(2) == (1, 1, 2)


# ------------------------------------------------------------------------------------------------------------ cells


def bench_in(folder: Path) -> TrialBench:
    setup = folder_setup(folder, epochs=6, replicates=2)
    setup = setup.model_copy(
        update={
            "judge": setup.judge.model_copy(update={"epochs": 4}),
            "prior": setup.prior.model_copy(update={"samples": 64}),
        }
    )
    return TrialBench(setup, load_data(setup, 0), 0, folder / "cells", CPU)


@pytest.fixture
def bench(tmp_path: Path) -> TrialBench:
    return bench_in(tmp_path)


def test_a_trial_is_the_training_and_the_attack_of_a_study_seen_at_three_rungs(bench: TrialBench):
    found = bench.trial(LAW, 1)
    assert [rung["epochs"] for rung in found["rungs"]] == [1, 2, 6] and found["reason"] == ""
    trials = trials_per_class(bench)
    run = target_training(bench.setup, bench.data, LAW, bench.seed, 1, CPU)
    for rung in found["rungs"]:
        while run.epoch < rung["epochs"]:
            run.train_epoch()
        natural = natural_per_class(run.model, bench.data, CPU)
        assert np.allclose(np.array(rung["natural_hits"]) / trials["natural"], natural)
    evaluation = LawEvaluation(bench.setup, bench.data, LAW, bench.seed, CPU)
    while not evaluation.trained:
        evaluation.train_block()
    attacker = prepare_attacker(bench.setup, bench.data, bench.seed, CPU)
    judge = prepare_judge(bench.setup, bench.data, bench.seed, CPU)
    while not evaluation.finished:
        evaluation.attack_next(attacker, judge)
    attack, theirs = found["rungs"][-1]["attack"], evaluation.attacked[1]
    assert np.allclose(np.array(attack["hits"]) / trials["attack"], theirs["per_class"])
    assert attack["backward_passes"] == theirs["backward_passes"] > found["rungs"][-1]["cheap"]["backward_passes"] > 0
    assert ["attack" in rung for rung in found["rungs"]] == [False, False, True]
    spent = [rung["seconds"]["train"] for rung in found["rungs"]]
    assert spent == sorted(spent)


def test_a_look_at_half_trained_targets_sees_what_the_table_has_and_leaves_the_training_untouched(bench: TrialBench):
    attacker = prepare_attacker(bench.setup, bench.data, bench.seed, CPU)
    judge = prepare_judge(bench.setup, bench.data, bench.seed, CPU)
    looked = LawEvaluation(bench.setup, bench.data, LAW, bench.seed, CPU, rungs=(1, 2))
    plain = LawEvaluation(bench.setup, bench.data, LAW, bench.seed, CPU)
    while not looked.trained:
        looked.train_block()
        if looked.rung_due:
            looked.attack_at_rung(cheap_attacker(attacker, bench.setup), judge)
            assert not looked.rung_due
    while not plain.trained:
        plain.train_block()
    for one, other in zip(looked.runs, plain.runs, strict=True):
        for name, value in one.model.state_dict().items():
            assert torch.equal(value, other.model.state_dict()[name])
    trials = trials_per_class(bench)
    rungs_of = [bench.trial(LAW, k)["rungs"] for k in range(len(looked.runs))]
    for number, (natural, cheap) in enumerate(looked.rung_accuracies):
        counts = [rungs[number] for rungs in rungs_of]
        assert cheap == pytest.approx(np.mean([np.array(c["cheap"]["hits"]) / trials["cheap"] for c in counts]))
        assert natural == pytest.approx(np.mean([np.array(c["natural_hits"]) / trials["natural"] for c in counts]))
    assert len(looked.rung_accuracies) == 2
    again = LawEvaluation(bench.setup, bench.data, LAW, bench.seed, CPU, rungs=(1, 2))
    again.load_state_dict(looked.state_dict())
    assert again.rung_accuracies == looked.rung_accuracies


def test_a_repeat_trains_and_attacks_targets_that_earlier_runs_did_not(bench: TrialBench):
    first, repeat = (LawEvaluation(bench.setup, bench.data, LAW, bench.seed, CPU, repeat=k) for k in range(2))
    for run in (first, repeat):
        run.train_block()
    weights = [next(iter(run.model.parameters())) for run in (*first.runs, *repeat.runs)]
    assert not any(torch.equal(a, b) for k, a in enumerate(weights) for b in weights[k + 1 :])
    # numbered on from those before it, so that no other study's targets are meant
    third = target_training(bench.setup, bench.data, LAW, bench.seed, len(first.runs), CPU)
    while third.epoch < repeat.epoch:
        third.train_epoch()
    assert torch.equal(next(iter(third.model.parameters())), weights[len(first.runs)])


def test_a_finished_trial_is_found_again_without_training(bench: TrialBench, monkeypatch: pytest.MonkeyPatch):
    assert bench.finished(LAW, 0) is None
    found = bench.trial(LAW, 0)

    def never(self: Training) -> float:
        raise AssertionError("trained again")

    monkeypatch.setattr(Training, "train_epoch", never)
    again = TrialBench(bench.setup, bench.data, bench.seed, bench.folder, CPU)
    assert again.trial(LAW, 0) == found == again.finished(LAW, 0)
    for law, replicate in ((LAW, 1), (dataclasses.replace(LAW, probability=0.9), 0)):
        assert again.finished(law, replicate) is None
        with pytest.raises(AssertionError, match="trained again"):
            again.trial(law, replicate)


def test_a_training_that_diverges_is_a_failed_row_with_its_reason(bench: TrialBench, monkeypatch: pytest.MonkeyPatch):
    bench.tools  # noqa: B018  the judge must not diverge
    train = Training.train_epoch

    def diverging(self: Training) -> float:
        if self.epoch == 3:
            raise DivergedError("training diverged: the loss is nan in epoch 4")
        return train(self)

    monkeypatch.setattr(Training, "train_epoch", diverging)
    found = bench.trial(LAW, 0)
    assert bench.finished(LAW, 0) == found
    law = DesignLaw(7, "", {"probability": 1.0}, LAW)
    rows = trial_rows(law, 0, found, rungs(6), trials_per_class(bench))
    assert [row["state"] for row in rows] == ["complete", "complete", "failed"]
    assert rows[2]["reason"].startswith("training diverged") and rows[1]["reason"] == ""
    assert math.isnan(rows[2]["natural_accuracy"]) and rows[2]["natural_hits"] is None
    assert 0 <= rows[1]["natural_accuracy"] <= 1
    assert rows[2]["train_seconds"] > rows[1]["train_seconds"]


# ------------------------------------------------------------------------------------------------------------ table


def test_a_table_is_read_as_it_was_written(bench: TrialBench, tmp_path: Path):
    laws = design(bench.setup.search.space, 2, 0)
    trials = trials_per_class(bench)
    rows = []
    for law in laws:
        rows += trial_rows(law, 0, bench.trial(law.law, 0), rungs(6), trials)
    about = description(bench, laws, 1, 2, rows)
    write_table(rows, about, tmp_path / "mine")
    table = tables.load_table("mine", tmp_path)
    assert table.about == about
    assert_provenance(about)
    assert len(table.rows) == 6 and list(table.rows.rung) == [0, 1, 2] * 2
    for name in rows[0]:
        for wrote, read in zip((row[name] for row in rows), table.rows[name], strict=True):
            if name in HITS and wrote is not None:
                assert read.dtype == np.uint8 and read.tolist() == wrote
            elif name in HITS:
                assert read is None
            else:
                assert read == wrote or (math.isnan(read) and math.isnan(wrote))
    last = table.rows[table.rows.rung == 2]
    hits = np.stack(last.attack_hits) / np.array(about["trials"]["attack"])
    assert np.allclose(hits.mean(1), last.attack_accuracy)
    assert about["references"]["MIDRE(0.1, 0.4)"] == CONFIRMED_LAWS["MIDRE(0.1, 0.4)"].to_dict()


def test_an_unknown_table_is_answered_by_those_that_exist(tmp_path: Path):
    with pytest.raises(InputError, match="unknown table 'orll'"):
        tables.load_table("orll")
    with pytest.raises(InputError, match="holds none"):
        tables.load_table("orl", tmp_path)
    for name in ("second", "first"):
        (tmp_path / f"{name}.parquet").touch()
        (tmp_path / f"{name}.yaml").touch()
    (tmp_path / "half.parquet").touch()
    with pytest.raises(InputError, match=r"there are first, second$"):
        tables.load_table("half", tmp_path)


def test_reading_tables_needs_no_torch():
    code = "import sys, mi_tune.replay.tables; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
