"""Targets trained with fresh seeds, attacks on them, and the tables that they become."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import folder_setup

from mi_tune.confirmation.cells import Workbench
from mi_tune.confirmation.plan import Plan
from mi_tune.confirmation.tables import collect, collect_views
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import NO_DEFENCE, REFERENCE_LAWS, ErasingLaw
from mi_tune.judging.features import FeatureView
from mi_tune.nets.training import predict
from mi_tune.trial.assets import load_data
from mi_tune.trial.attempts import attempt_of
from mi_tune.trial.judges import prepare_panel, prepare_verifier
from mi_tune.trial.mechanism import compared_law
from mi_tune.trial.point import Point, stopped
from mi_tune.trial.targets import target_training

CPU = torch.device("cpu")
LAW = Point("a law", "front", Treatment(ErasingLaw(1.0, area=(0.1, 0.4))), trial=3)
PLAIN = Point("no defence", "reference", Treatment())


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    setup = folder_setup(tmp_path, epochs=2)
    setup = setup.model_copy(
        update={
            "judge": setup.judge.model_copy(update={"epochs": 2, "verifier_views": 200}),
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
    answers = predict(bench.model(cell, PLAIN), torch.from_numpy(bank.images[test]), CPU).argmax(1).numpy()
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
    assert len(set(names)) == 4
    images = bench.attack(LAW, attempt_of("ppa:reduced", "eigenface"), 0)["images"]
    own = tables.hits[(tables.hits.point == "a law") & (tables.hits.attack == "ppa:reduced")]
    for judge in bench.panel.judges[:2]:
        answers = judge.judge.logits(images.flatten(0, 1), CPU).argmax(1).numpy()
        assert np.array_equal(own[judge.name].to_numpy(), answers == own["class"].to_numpy())
    natural = tables.natural.groupby("point").correct.mean()
    for row in tables.targets.itertuples():
        assert natural[row.point] == pytest.approx(row.natural_accuracy)
    assert len(tables.ceilings) == 4 * people


def test_the_second_judge_is_another_network_than_the_targets_and_the_searchs(bench: Workbench):
    first, second = bench.panel.judges[:2]
    assert (first.in_search, second.in_search) == (True, False)
    assert len({first.name, second.name, bench.setup.target.architecture}) == 3


def test_the_verifier_on_the_panel_answers_both_its_questions(bench: Workbench):
    rank1, tar = bench.panel.judges[2:]
    verifier = prepare_verifier(bench.setup, bench.data, bench.seed, CPU)
    test = bench.data.split.test
    images = torch.from_numpy(bench.data.private.images[test])
    labels = torch.from_numpy(bench.data.private.labels[test])
    order = labels.argsort(stable=True)
    shown = images[order].unflatten(0, (len(bench.classes), -1))
    similarity = verifier.similarity(images[order], CPU)
    own = similarity.gather(1, labels[order][:, None])[:, 0]
    named = (similarity.argmax(1) == labels[order]).view(shown.shape[:2]).numpy()
    assert np.array_equal(rank1.hits(shown, bench.classes, CPU), named)
    assert np.array_equal(tar.hits(shown, bench.classes, CPU).ravel(), (own > verifier.threshold).numpy())
    assert np.allclose(rank1.ceiling, named.mean(1))
    assert {rank1.learned, tar.learned} == {"none"}
    assert not (rank1.in_search or tar.in_search)
    assert rank1.key != tar.key


def test_where_nobody_knows_who_the_public_people_are_there_is_no_verifier(bench: Workbench):
    public = bench.data.public
    unknown = dataclasses.replace(public, labels=np.zeros_like(public.labels), names=("public",))
    panel = prepare_panel(bench.setup, dataclasses.replace(bench.data, public=unknown), bench.seed, CPU)
    assert [judge.learned for judge in panel.judges] == ["unseen", "unseen"]


def test_where_reconstructions_lie_is_measured_in_the_target_and_in_the_verifier(bench: Workbench):
    attempt = attempt_of("ppa:reduced", "eigenface")
    cell = bench.features(LAW, attempt, 0)
    rows = pd.DataFrame(cell["rows"])
    people = bench.data.private.identities
    assert list(rows.encoder.unique()) == ["target", "verifier"]
    assert len(rows) == 2 * people * 3
    # an independent computation of one number: the cosine of the class means in the verifier
    verifier = prepare_verifier(bench.setup, bench.data, bench.seed, CPU)
    train = bench.data.private.take(bench.data.split.train)
    private = verifier.embed(torch.from_numpy(train.images), CPU).astype(float)
    found = verifier.embed(bench.attack(LAW, attempt, 0)["images"].flatten(0, 1), CPU).reshape(people, 4, -1)
    ours = found[2].mean(0) - private.mean(0)
    theirs = private[train.labels == 2].mean(0) - private.mean(0)
    cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
    row = rows[(rows.encoder == "verifier") & (rows["class"] == 2) & (rows.pair == "reconstruction, private")]
    assert row.cosine.item() == pytest.approx(cosine, abs=1e-4)


def test_a_target_that_never_saw_erasing_is_compared_with_the_published_law(bench: Workbench):
    mean = (0.25,)
    assert compared_law(NO_DEFENCE, mean) == REFERENCE_LAWS["MIDRE(0.1, 0.8)"].resolved(mean)
    assert compared_law(LAW.treatment.law, mean) == LAW.treatment.law


def test_the_tables_hold_feature_space_for_laws_alone_and_a_plane_for_the_first_seed(bench: Workbench):
    plan = Plan(2, portfolio=(), ladder=(), controls=("map_logit:4x",))
    points = [PLAIN, stopped(1)]
    features = collect(bench, plan, points).features
    assert set(features.point) == {"no defence"}
    assert set(features.seed) == {0, 1}
    views = collect_views(bench, plan, points)
    assert list(views) == ["no defence | map_logit:4x"]
    view = FeatureView.from_arrays(views["no defence | map_logit:4x"])
    assert len(view.classes) == min(4, bench.data.private.identities)
