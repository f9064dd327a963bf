"""A treatment is what a target is trained with; controls come in several strengths."""

from __future__ import annotations

import json

import pytest
import torch
from conftest import folder_setup

from mi_tune.defences.controls import CutMix, GridMask, Mixup, PixelDropout
from mi_tune.defences.properties import location, partial_erasure
from mi_tune.defences.treatment import CONTROL_NAMES, Treatment, controlled, strengths_of
from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.errors import InputError
from mi_tune.trial.assets import load_data, target_recipe
from mi_tune.trial.comparison import trained_target
from mi_tune.trial.evaluation import LawEvaluation
from mi_tune.trial.targets import target_training

CPU = torch.device("cpu")
LAW = ErasingLaw(1.0, area=(0.1, 0.3), fill="mean")


@pytest.fixture
def setup(tmp_path):
    return folder_setup(tmp_path, epochs=6, replicates=2, report_every=6)


@pytest.fixture
def data(setup):
    return load_data(setup, 0)


# Treatments

TREATMENTS = [
    Treatment(),
    Treatment(LAW, GridMask(0.4, (0.5,)), epochs=0.5),
    Treatment(control=Mixup(1.0), dropped=0.5, refilled=True),
    *partial_erasure(0.3, 16).values(),
    *location(0.3, 16).values(),
    *(treatment for name in CONTROL_NAMES for treatment in strengths_of(name).values()),
]


@pytest.mark.parametrize("treatment", TREATMENTS, ids=repr)
def test_a_treatment_survives_the_way_through_json(treatment):
    assert Treatment.from_dict(json.loads(json.dumps(treatment.to_dict()))) == treatment


@pytest.mark.parametrize(
    ("values", "culprit"),
    [
        ({"epochs": 0.0}, "epochs 0.0"),
        ({"dropped": 1.0}, "dropped 1.0"),
        ({"dropped": -0.1}, "dropped -0.1"),
        ({"blur": 1}, "unknown parameter blur"),
        ({"law": {"probability": 2}}, "probability 2"),
        ({"control": {"control": "blur"}}, "unknown control 'blur'"),
    ],
    ids=str,
)
def test_values_that_are_no_treatment_are_named(values, culprit):
    with pytest.raises(InputError, match=culprit):
        Treatment.from_dict(values)


def test_a_treatment_changes_of_the_recipe_what_it_says_alone():
    usual = Recipe(epochs=60, batch_size=16, shift=1)
    assert Treatment(LAW, Mixup(1.0)).recipe(usual) == usual
    changed = Treatment(epochs=0.25, dropped=0.5, refilled=True).recipe(usual)
    assert changed == Recipe(epochs=15, batch_size=16, shift=1, dropped=0.5, refilled=True)
    assert Treatment(epochs=1e-6).recipe(usual).epochs == 1


@pytest.mark.parametrize("name", CONTROL_NAMES)
def test_the_strengths_of_a_control_go_from_mild_to_strong(name):
    treatments = strengths_of(name)
    assert len(treatments) == 3
    strengths = [t.control.strength if t.control else t.law.area[0] for t in treatments.values()]
    assert strengths == sorted(set(strengths))
    for (label, treatment), strength in zip(treatments.items(), strengths, strict=True):
        assert treatment == controlled(name, strength)
        assert label.endswith(f" {strength:g}") and label[:3].lower() == name[:3].lower()


def test_an_unknown_control_is_named():
    for ask in (lambda: strengths_of("blur"), lambda: controlled("blur", 0.5)):
        with pytest.raises(InputError, match="'blur'; choose from cutout, gridmask"):
            ask()


# Targets of the setup trained with a treatment


def test_a_target_is_trained_with_all_of_its_treatment(setup, data):
    treatment = Treatment(LAW, PixelDropout(0.3), epochs=0.5, dropped=0.25)
    run = target_training(setup, data, treatment, 0, 0, CPU)
    mean = data.private.take(data.split.train).mean()
    assert run.law == LAW.resolved(mean)
    assert run.control == PixelDropout(0.3, mean)
    assert (run.recipe.epochs, run.recipe.dropped) == (3, 0.25)
    plain = target_training(setup, data, LAW, 0, 0, CPU)
    assert (plain.law, plain.control, plain.recipe) == (LAW.resolved(mean), None, target_recipe(setup))


def test_a_law_and_the_treatment_of_it_alone_are_the_same_target(setup, data, monkeypatch):
    *_, key = trained_target(setup, data, LAW, 0, 0, CPU)
    monkeypatch.setattr(Training, "train_epoch", lambda self: pytest.fail("trained again"))
    assert trained_target(setup, data, Treatment(LAW), 0, 0, CPU)[2] == key


def test_targets_of_other_treatments_are_never_mistaken_for_one_another(setup, data):
    others = [
        *(NO_DEFENCE, LAW, Treatment(control=Mixup(1.0)), Treatment(control=Mixup(2.0))),
        *(Treatment(control=CutMix(1.0)), Treatment(dropped=0.5), Treatment(dropped=0.5, refilled=True)),
        Treatment(epochs=0.5),
    ]
    found = [trained_target(setup, data, treatment, 0, 0, CPU) for treatment in others]
    assert len({key for *_, key in found}) == len(others)
    heads = {tuple(model.state_dict()["backbone.head.bias"].tolist()) for model, *_ in found}
    assert len(heads) == len(others)


def test_the_targets_of_a_treatment_are_evaluated_like_those_of_a_law(setup, data):
    evaluation = LawEvaluation(setup, data, Treatment(control=CutMix(0.5)), 0, CPU)
    evaluation.train_block()
    assert evaluation.trained and evaluation.law == NO_DEFENCE
    model, natural, _ = trained_target(setup, data, Treatment(control=CutMix(0.5)), 0, 0, CPU)
    assert evaluation.per_class_natural[0] == natural.tolist()
    states = zip(evaluation.runs[0].model.state_dict().values(), model.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in states)
