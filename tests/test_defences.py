"""Every defence beside erasing, put through the same promises."""

import copy
import dataclasses
from itertools import combinations

import pytest
import torch

from mi_tune.defences.contracts import check_defence
from mi_tune.defences.defence import clash_of
from mi_tune.defences.registry import DEFENCES, read_defence, read_mix
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import ErasingLaw
from mi_tune.nets import create_classifier
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.errors import InputError

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=4, batch_size=8, shift=1)
LAW = ErasingLaw(0.5, area=(0.1, 0.4), fill="black")
ZERO = {
    "label_smoothing": "0", "neg_ls": "0", "mid": "0", "bido": "0,0", "bido_coco": "0,0", "rolss": "1",
    "at_at": "0", "trap_mid": "0.02,0", "rounding": "7",
}  # fmt: skip
"""Settings at which a defence does nothing; the head of LoFt, a public start and DP-SGD have none."""


def images(classes=3, each=6, channels=1):
    random = torch.Generator().manual_seed(0)
    means = torch.rand(classes, channels, 16, 16, generator=random)
    found = means.repeat_interleave(each, 0) * 200 + 50 * torch.rand(classes * each, channels, 16, 16, generator=random)
    return found.byte(), torch.arange(classes).repeat_interleave(each)


def training(treatment, seed=3, architecture="residual_gn", recipe=RECIPE):
    pictures, labels = images()
    model = create_classifier(architecture, 3, 1, 16, seed=seed)
    guards = treatment.guarded(model, pictures, 3, seed, CPU)
    law = treatment.law
    return Training(model, pictures, labels, torch.arange(len(labels)), recipe, seed, CPU, law, guards=guards)


def finished(run):
    while not run.finished:
        run.train_epoch()
    return run


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("kind", DEFENCES)
def test_every_defence_keeps_the_contract(kind):
    check_defence(DEFENCES[kind]())


@pytest.mark.parametrize("kind", ZERO)
def test_a_defence_of_no_strength_is_the_plain_training_bit_for_bit(kind):
    plain = finished(training(Treatment(LAW)))
    with_it = finished(training(Treatment(LAW, defences=(read_defence(f"{kind}:{ZERO[kind]}"),))))
    assert torch.equal(weights(plain.model), weights(with_it.model))


@pytest.mark.parametrize("kind", DEFENCES)
def test_a_training_with_a_defence_that_was_interrupted_ends_with_the_same_weights(kind):
    treatment = Treatment(LAW, defences=(DEFENCES[kind](),))
    whole = finished(training(treatment))
    first = training(treatment)
    for _ in range(2):
        first.train_epoch()
    state = copy.deepcopy(first.state_dict())
    second = training(treatment)
    second.load_state_dict(state)
    assert torch.equal(weights(finished(second).model), weights(whole.model))


@pytest.mark.parametrize("kind", DEFENCES)
def test_a_defence_changes_what_is_learnt(kind):
    if kind == "rounding":
        return  # it acts on the answers alone, see below
    plain = finished(training(Treatment(LAW)))
    other = finished(training(Treatment(LAW, defences=(DEFENCES[kind](),))))
    a, b = (run.model.state_dict() for run in (plain, other))
    assert a.keys() != b.keys() or any(not torch.equal(a[name], b[name]) for name in a if a[name].is_floating_point())


@pytest.mark.parametrize("kind", DEFENCES)
def test_the_deployed_network_answers_as_the_trained_one_and_loads_into_a_new_one_of_its_shape(kind):
    treatment = Treatment(defences=(DEFENCES[kind](),))
    run = finished(training(treatment))
    kept = {name: value.clone() for name, value in run.model.state_dict().items()}
    published = treatment.deployed(run.model).eval()
    new = treatment.shaped(create_classifier("residual_gn", 3, 1, 16, seed=9)).eval()
    new.load_state_dict(published.state_dict())
    x = torch.rand(4, 1, 16, 16)
    trained = run.model.eval()(x)
    assert torch.allclose(published(x), trained, atol=1e-5)
    assert torch.allclose(new(x), published(x), atol=1e-5)
    assert all(torch.equal(value, kept[name]) for name, value in run.model.state_dict().items())


@pytest.mark.parametrize(
    "kind", ["neg_ls", "label_smoothing", "mid", "bido", "at_at", "trap_mid", "tl_dmi", "rounding"]
)
def test_the_published_state_dict_is_that_of_the_architecture_itself(kind):
    treatment = Treatment(defences=(DEFENCES[kind](),))
    published = treatment.deployed(training(treatment).model)
    create_classifier("residual_gn", 3, 1, 16, seed=0).load_state_dict(published.state_dict())


@pytest.mark.parametrize("kind", DEFENCES)
def test_a_defence_is_read_back_from_its_text_and_its_values(kind):
    one = DEFENCES[kind]()
    assert read_defence(one.text) == one
    assert read_defence(kind) == one
    assert Treatment.from_dict(Treatment(LAW, defences=(one,)).to_dict()) == Treatment(LAW, defences=(one,))


def test_a_mix_is_read_back_from_its_text():
    mix = read_mix("neg_ls:-0.1+bido:0.05,2 + loft:20")
    assert [one.kind for one in mix] == ["neg_ls", "loft", "bido"]
    assert read_mix(Treatment(defences=mix).mix) == mix
    assert read_mix("") == ()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nels", "did you mean neg_ls"),
        ("neg_ls:0.05", "alpha 0.05"),
        ("neg_ls:-0.1,3", "2 values"),
        ("bido:a3=1", "no parameter a3"),
        ("bido:a,b", "'a' is no number"),
        ("loft:2.5", "whole number"),
        ("mid:nan", "beta nan"),
        ("bido+bido_coco", "both change the features"),
        ("mid+loft", "both change the head"),
        ("neg_ls+neg_ls", "both change the labels"),
        ("dp_sgd+bido", "dp_sgd cannot stand beside bido"),
    ],
)
def test_a_wrong_mix_is_refused_with_its_reason(text, named):
    with pytest.raises(InputError, match=named):
        read_mix(text)


@pytest.mark.parametrize(
    ("kind", "architecture", "reason"),
    [("rolss", "small_cnn", "no skip connections"), ("loft", "residual_gn", "rank|features")],
)
def test_a_defence_that_does_not_fit_the_network_is_refused(kind, architecture, reason):
    one = DEFENCES[kind]() if kind != "loft" else DEFENCES["loft"](rank=4000)
    with pytest.raises(InputError, match=reason):
        training(Treatment(defences=(one,)), architecture=architecture)


PAIRS = [pair for pair in combinations(DEFENCES, 2) if not clash_of(*(DEFENCES[kind] for kind in pair))]


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_two_defences_that_are_not_refused_give_the_same_training_twice_and_in_either_order(pair):
    short = dataclasses.replace(RECIPE, epochs=1)
    state = torch.random.get_rng_state()
    ends = []
    for kinds in (pair, pair, pair[::-1]):
        run = finished(training(Treatment(LAW, defences=tuple(DEFENCES[kind]() for kind in kinds)), recipe=short))
        copy.deepcopy(run.model)
        ends.append(weights(run.model))
    assert torch.equal(state, torch.random.get_rng_state()), "draws from torch's global generator"
    assert torch.equal(ends[0], ends[1])
    assert torch.equal(ends[0], ends[2])


def test_defences_act_together():
    treatment = Treatment(LAW, defences=read_mix("neg_ls:-0.1+mid:0.1+bido+at_at"))
    alone = finished(training(dataclasses.replace(treatment, defences=treatment.defences[:2])))
    both = finished(training(treatment))
    assert not torch.equal(weights(alone.model), weights(both.model))
    assert all(torch.isfinite(p).all() for p in both.model.parameters())
