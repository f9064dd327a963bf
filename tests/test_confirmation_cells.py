"""Targets trained with fresh seeds, attacks on them, and the tables that they become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import folder_setup

from mi_tune.assets import load_data
from mi_tune.confirmation.cells import Workbench
from mi_tune.confirmation.plan import Plan, attempt_of
from mi_tune.confirmation.points import Point, stopped
from mi_tune.confirmation.tables import collect
from mi_tune.erasing import ErasingLaw
from mi_tune.evaluation import target_training
from mi_tune.training import predict
from mi_tune.treatment import Treatment

CPU = torch.device("cpu")
LAW = Point("a law", "front", Treatment(ErasingLaw(1.0, area=(0.1, 0.4))), trial=3)
PLAIN = Point("no defence", "reference", Treatment())


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    setup = folder_setup(tmp_path, epochs=2)
    setup = setup.model_copy(
        update={
            "judge": setup.judge.model_copy(update={"epochs": 2}),
            "prior": setup.prior.model_copy(update={"samples": 64}),
        }
    )
    return Workbench(setup, load_data(setup, 0), 0, tmp_path / "cells", CPU)


def test_fresh_seeds_are_no_seeds_of_the_study_and_shared_by_points(bench: Workbench):
    assert len({bench.fresh_seed(0), bench.fresh_seed(1), bench.seed}) == 3
    first, again = bench.training(PLAIN, 0), bench.training(LAW, 0)
    for ours, theirs in zip(first.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    trial = target_training(bench.setup, bench.data, Treatment(), bench.seed, 0, CPU)
    differ = zip(first.model.parameters(), trial.model.parameters(), strict=True)
    assert any(not torch.equal(ours, theirs) for ours, theirs in differ)


def test_natural_accuracy_is_that_of_the_test_images(bench: Workbench):
    cell = bench.target(PLAIN, 0)
    bank, test = bench.data.private, bench.data.split.test
    answers = predict(bench.model(cell), torch.from_numpy(bank.images[test]), CPU).argmax(1).numpy()
    assert np.array_equal(cell.correct.numpy(), answers == bank.labels[test])


def test_an_early_stop_is_the_undefended_training_as_it_was_then(bench: Workbench):
    curve = bench.curve(PLAIN, 0)
    assert len(curve) == bench.setup.target.epochs
    cell = bench.target(stopped(1), 0)
    assert torch.equal(cell.natural, curve[0])
    assert cell.key != bench.target(PLAIN, 0).key


def test_a_cell_is_computed_once_and_found_again(bench: Workbench, monkeypatch: pytest.MonkeyPatch):
    attempt = attempt_of("ppa:reduced", "eigenface")
    found = bench.attack(LAW, attempt, 0)
    assert found["images"].shape[:2] == (bench.data.private.identities, 4) and found["reason"] == ""

    def never(*args: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr("mi_tune.attacks.Attack.run", never)
    again = Workbench(bench.setup, bench.data, bench.seed, bench.folder, CPU)
    monkeypatch.setattr(again, "_measured", never)
    assert torch.equal(again.attack(LAW, attempt, 0)["images"], found["images"])
    with pytest.raises(AssertionError, match="computed again"):
        again.attack(LAW, attempt, 1)


def test_the_nearest_public_images_are_public_images(bench: Workbench):
    found = bench.baseline(PLAIN, "nearest public images", 0)["images"]
    public = {image.tobytes() for image in bench.data.public.images}
    assert all(image.numpy().tobytes() in public for image in found.flatten(0, 1))


def test_the_tables_hold_every_cell_and_the_judges_verdicts(bench: Workbench):
    plan = Plan(1, portfolio=("ppa:reduced",), ladder=(), controls=("ppa:reduced",))
    tables = collect(bench, plan, [PLAIN, LAW, stopped(1)])
    people, test = bench.data.private.identities, len(bench.data.split.test)
    assert len(tables.targets) == 3 and list(tables.targets.trial) == [-1, 3, -1]
    assert len(tables.natural) == 3 * test
    assert len(tables.attacks) == 3 * 3  # an attack and two baselines on each
    assert len(tables.hits) == 3 * 3 * people * 4
    names = [judge.name for judge in bench.panel.judges]
    assert len(set(names)) == 2
    images = bench.attack(LAW, attempt_of("ppa:reduced", "eigenface"), 0)["images"]
    own = tables.hits[(tables.hits.point == "a law") & (tables.hits.attack == "ppa:reduced")]
    for judge in bench.panel.judges:
        answers = judge.judge.logits(images.flatten(0, 1), CPU).argmax(1).numpy()
        assert np.array_equal(own[judge.name].to_numpy(), answers == own["class"].to_numpy())
    natural = tables.natural.groupby("point").correct.mean()
    for row in tables.targets.itertuples():
        assert natural[row.point] == pytest.approx(row.natural_accuracy)
    assert len(tables.ceilings) == 2 * people


def test_the_second_judge_is_another_network_than_the_targets_and_the_searchs(bench: Workbench):
    first, second = bench.panel.judges
    assert (first.in_search, second.in_search) == (True, False)
    assert len({first.name, second.name, bench.setup.target.architecture}) == 3
