"""Targets that first learn to tell the public people apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import make_bank
from drawn_people import TINY

from mi_tune import tune
from mi_tune.confirmation.cells import Workbench
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import NO_DEFENCE
from mi_tune.nets import head_of
from mi_tune.nets.training import Training
from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup
from mi_tune.trial.assets import StudyData, load_data
from mi_tune.trial.comparison import trained_target
from mi_tune.trial.point import Point
from mi_tune.trial.pretraining import check_pretraining, pretraining_key, pretraining_recipe
from mi_tune.trial.targets import target_training

CPU = torch.device("cpu")


@pytest.fixture
def setup():
    return make_setup(TINY, "test", {"target.pretrain": "public", "target.pretrain_epochs": 2})


@pytest.fixture
def plain():
    return make_setup(TINY, "test")


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_a_target_starts_from_the_public_network_with_a_head_of_its_own(setup, plain):
    data = load_data(setup, 0)
    started = target_training(setup, data, NO_DEFENCE, 0, 0, CPU).model
    untrained = target_training(plain, data, NO_DEFENCE, 0, 0, CPU).model
    assert torch.equal(head_of(started).weight, head_of(untrained).weight)

    # the same network by hand: every image of the public people, and nothing of the private ones
    from mi_tune.nets import create_classifier
    from mi_tune.runtime.seeds import derive_seed

    bank = data.public
    shape = (bank.identities, bank.channels, bank.resolution)
    network = create_classifier(setup.target.architecture, *shape, derive_seed(0, "pretraining", "weights"))
    everything = torch.arange(len(bank))
    seed = derive_seed(0, "pretraining")
    run = Training(network, *bank.tensors(), everything, pretraining_recipe(setup), seed, CPU)
    while not run.finished:
        run.train_epoch()
    public = weights(run.model)
    own = weights(started)
    head = {name for name in own if own[name].shape != public[name].shape}
    assert len(head) == 2
    assert all(torch.equal(own[name], public[name]) for name in own if name not in head)


def test_targets_of_a_seed_share_their_start_and_other_seeds_have_others(setup):
    data = load_data(setup, 0)
    first, second, other = (
        target_training(setup, data, NO_DEFENCE, seed, replicate, CPU).model
        for seed, replicate in ((0, 0), (0, 1), (1, 0))
    )
    name = next(name for name, p in first.named_parameters() if p.ndim == 4)
    assert torch.equal(first.get_parameter(name), second.get_parameter(name))
    assert not torch.equal(first.get_parameter(name), other.get_parameter(name))
    assert not torch.equal(head_of(first).weight, head_of(second).weight)


def test_without_it_a_target_and_its_key_know_nothing_of_the_public_people(plain, setup):
    data = load_data(plain, 0)
    assert pretraining_key(plain, data, 0) is None
    assert pretraining_key(setup, data, 0) != pretraining_key(setup, data, 1)
    fewer = data.public.only(np.arange(2))
    changed = StudyData(data.private, fewer, data.split, data.copies_dropped, data.identity_parameters)
    assert pretraining_key(setup, data, 0) != pretraining_key(setup, changed, 0)


def test_the_targets_of_a_confirmation_are_others_with_it(setup, plain, tmp_path):
    data, point = load_data(setup, 0), Point("no defence", "reference", Treatment())
    with_it, without = (Workbench(one, data, 0, tmp_path, CPU).target_key(point, 0) for one in (setup, plain))
    assert with_it != without


def test_a_target_in_the_cache_is_not_taken_for_one_with_it(setup, plain):
    data = load_data(setup, 0)
    keys = {trained_target(one, data, NO_DEFENCE, 0, 0, CPU)[2] for one in (setup, plain)}
    assert len(keys) == 2


def test_a_study_with_one_public_person_is_refused_before_anything_starts(tmp_path):
    private, public = make_bank(5, images=8), make_bank(1, images=8, seed=1)
    images = {"private": (private.images, private.labels), "public": (public.images, public.labels)}
    with pytest.raises(InputError, match="at least two public people"):
        tune(**images, pretrain="public", smoke=True, out=tmp_path / "results", quiet=True)
    assert not (tmp_path / "results").exists()


def test_a_longer_pretraining_is_another_start(setup):
    data = load_data(setup, 0)
    longer = make_setup(TINY, "test", {"target.pretrain": "public", "target.pretrain_epochs": 3})
    assert pretraining_key(setup, data, 0) != pretraining_key(longer, data, 0)


def test_one_public_person_is_refused(setup, plain):
    data = load_data(setup, 0)
    alone = StudyData(data.private, data.public.only(np.arange(1)), data.split, 0, data.identity_parameters)
    with pytest.raises(InputError, match="at least two public people"):
        check_pretraining(setup, alone)
    check_pretraining(plain, alone)
