"""The undefended controls of a study: what they are, and that they are trained and attacked as trials are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from drawn_people import TINY

from mi_tune.erasing import NO_DEFENCE
from mi_tune.library.words import SMOKE
from mi_tune.nets import create_classifier, parameter_count
from mi_tune.setup import make_setup
from mi_tune.trial import assets, judges, undefended
from mi_tune.trial.assets import load_data
from mi_tune.trial.evaluation import LawEvaluation
from mi_tune.trial.undefended import (
    FEWER,
    NOT_PRETRAINED,
    PRETRAINED,
    SLIM,
    SMALLER,
    controls_of,
    fewer_images,
    measure_control,
    wants_controls,
)

CPU = torch.device("cpu")
SETUP = make_setup(TINY, "test", {"target.epochs": 5, "target.replicates": 1})
DATA = load_data(SETUP, 0)


def test_every_person_keeps_a_share_of_the_training_images_and_a_smaller_share_is_part_of_a_larger():
    labels, whole = DATA.private.labels, DATA.split
    half, quarter = (fewer_images(DATA, share, 0) for share in (0.5, 0.25))
    for person in range(DATA.private.identities):
        count = int((labels[whole.train] == person).sum())
        assert int((labels[half.train] == person).sum()) == round(count / 2)
        assert int((labels[quarter.train] == person).sum()) == max(1, round(count / 4))
    assert {*quarter.train} < {*half.train} < {*whole.train}
    assert np.array_equal(half.val, whole.val) and np.array_equal(half.test, whole.test)
    assert not np.array_equal(half.train, fewer_images(DATA, 0.5, 1).train)
    assert len(fewer_images(DATA, 0.01, 0).train) == DATA.private.identities, "nobody is lost"


def test_the_controls_differ_from_the_trial_without_defence_in_one_thing_each():
    found = {control.name: control for control in controls_of(SETUP, DATA, 0)}
    assert [control.kind for control in found.values()] == [FEWER, FEWER, SMALLER, PRETRAINED]
    assert found["half of the images"].setup == SETUP
    slim = found[SLIM]
    assert slim.data is DATA
    assert slim.setup.target == SETUP.target.model_copy(update={"architecture": SLIM})
    other = found["from a public network, 2 epochs"]  # of 5, two fifths
    assert other.setup.target == SETUP.target.model_copy(update={"pretrain": "public", "epochs": 2})
    assert other.stops == (1,)


def test_where_targets_are_pre_trained_the_control_is_not():
    setup = make_setup(TINY, "test", {"target.epochs": 50, "target.pretrain": "public"})
    (control,) = [c for c in controls_of(setup, DATA, 0) if c.kind == NOT_PRETRAINED]
    assert control.setup.target.pretrain == "none"
    assert (control.setup.target.epochs, control.stops) == (20, (8,))


def test_a_smaller_network_starts_from_nothing_as_no_weights_of_the_usual_one_fit_it():
    weights = {"start_from": "usual.pt", "freeze": 1, "mean": [0.5], "std": [0.5]}
    target = SETUP.target.model_copy(update=weights)
    setup = SETUP.model_copy(update={"target": target})
    (smaller,) = [control for control in controls_of(setup, DATA, 0) if control.kind == SMALLER]
    assert smaller.setup.target == SETUP.target.model_copy(update={"architecture": SLIM})


def test_what_a_set_up_cannot_give_is_left_out():
    slim = make_setup(TINY, "test", {"target.architecture": SLIM})
    assert SMALLER not in {control.kind for control in controls_of(slim, DATA, 0)}, "nothing is smaller"
    one = dataclasses.replace(DATA, public=DATA.public.only(np.array([0])))
    assert PRETRAINED not in {control.kind for control in controls_of(SETUP, one, 0)}
    few = dataclasses.replace(DATA, split=fewer_images(DATA, 0.01, 0))
    names = [control.name for control in controls_of(SETUP, few, 0) if control.kind == FEWER]
    assert names == ["half of the images"], "a quarter of one image is the same one"


def test_the_slim_network_has_less_than_a_fifth_of_the_usual_parameters():
    slim, usual = (parameter_count(create_classifier(name, 30, 1, 32, 0)) for name in (SLIM, "small_cnn"))
    assert slim < usual / 5


def test_only_studies_of_many_trials_train_controls_unless_they_are_told_to():
    def wants(**search: object) -> bool:
        return wants_controls(make_setup({"search": search}, "test"))

    assert wants() and wants(trials=24) and wants(trials=4, controls=True)
    assert not wants(trials=23) and not wants(controls=False)
    assert not wants_controls(make_setup({}, "test", SMOKE | {"search.trials": 40}))


@pytest.fixture(scope="module")
def attacked():
    return assets.prepare_attacker(SETUP, DATA, 0, CPU), judges.prepare_judge(SETUP, DATA, 0, CPU)


@pytest.mark.parametrize("kind", [FEWER, SMALLER, PRETRAINED])
def test_a_control_is_the_trial_without_defence_with_its_set_up_and_is_made_once(attacked, kind, monkeypatch):
    attacker, judge = attacked
    control = next(one for one in controls_of(SETUP, DATA, 0) if one.kind == kind)
    table = measure_control(control, 0, attacker, judge, None, CPU)
    assert set(table.kind) == {kind} and set(table.control) == {control.name}
    assert table.class_name.tolist() == [*DATA.private.names] * (1 + len(control.stops))

    run = LawEvaluation(control.setup, control.data, NO_DEFENCE, 0, CPU, stops=control.stops)
    while not run.trained:
        run.train_block()
    while not run.finished:
        run.attack_next(attacker, judge)
    end, classes = table[table.epoch == run.epoch], DATA.private.identities
    assert end.natural_accuracy.tolist() == np.mean(run.per_class_natural, axis=0).tolist()
    assert end.attack_accuracy.tolist() == run.attacked[0]["per_class"]
    for stop in run.stopped:
        early = table[table.epoch == stop["epoch"]]
        assert early.attack_accuracy.tolist() == stop["attack_accuracy"] and len(early) == classes

    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(undefended, "LawEvaluation", never)
    again = measure_control(control, 0, attacker, judge, None, CPU)
    assert again.equals(table)
    with pytest.raises(AssertionError, match="trained again"):
        measure_control(control, 1, attacker, judge, None, CPU)
    fewer = control.setup.model_copy(update={"attack": control.setup.attack.model_copy(update={"identities": 2})})
    with pytest.raises(AssertionError, match="trained again"):
        measure_control(dataclasses.replace(control, setup=fewer), 0, attacker, judge, None, CPU)
