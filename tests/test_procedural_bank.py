"""The people and photographs in a bank of drawn faces: how many, who, how alike, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn_people import people

from mi_tune.data import procedural_banks
from mi_tune.data.procedural import IDENTITY, photograph
from mi_tune.runtime.seeds import generator


def test_a_bank_has_the_people_and_photographs_that_were_asked_for():
    private, public, parameters = procedural_banks(5, 7, 4, 16, 0)
    assert np.bincount(private.labels).tolist() == [4] * 5
    assert np.bincount(public.labels).tolist() == [4] * 7
    assert private.images.dtype == np.uint8
    assert private.images.shape == (20, 1, 16, 16)
    assert parameters.shape == (5, len(IDENTITY))
    assert parameters.dtype == np.float32


def test_nobody_is_private_and_public():
    private, public, _ = procedural_banks(20, 20, 3, 16, 0)
    assert not set(private.names) & set(public.names)
    average = lambda bank: bank.images.reshape(20, 3, -1).mean(1)  # noqa: E731
    apart = np.abs(average(private)[:, None] - average(public)[None]).mean(2)
    assert apart.min() > 4


def test_a_seed_gives_the_same_images_and_another_one_other_people():
    before = torch.get_rng_state()
    once, again, other = (procedural_banks(4, 4, 3, 16, seed) for seed in (0, 0, 1))
    assert once[0].fingerprint() == again[0].fingerprint()
    assert once[1].fingerprint() == again[1].fingerprint()
    assert not np.isclose(once[2], other[2]).any(1).all()
    assert np.abs(once[2] - other[2]).max(1).min() > 0.1
    assert torch.equal(before, torch.get_rng_state())


def test_the_first_people_do_not_change_with_how_many_there_are():
    few, many = procedural_banks(3, 3, 3, 16, 0)[2], procedural_banks(50, 3, 3, 16, 0)[2]
    assert np.array_equal(few, many[:3])


def test_people_are_uniform_in_every_parameter():
    parameters = procedural_banks(4000, 2, 1, 16, 0)[2]
    assert np.abs(parameters.mean(0) - 0.5).max() < 0.03
    assert np.abs(parameters.var(0) - 1 / 12).max() < 0.01
    assert np.abs(np.corrcoef(parameters.T) - np.eye(len(IDENTITY))).max() < 0.07


def test_the_parameters_are_those_of_the_people_in_the_images():
    private, _, parameters = procedural_banks(10, 2, 20, 32, 0)
    centred = lambda x: x - x.mean(1, keepdims=True)  # noqa: E731
    seen = centred(private.images.reshape(10, 20, -1).mean(1))
    others = photograph(torch.from_numpy(parameters).repeat_interleave(20, 0), 32, generator(9, "test"))
    drawn = centred(others.numpy().reshape(10, 20, -1).mean(1) * 255)
    gap = np.abs(seen[:, None] - drawn[None]).mean(2)
    assert gap.argmin(1).tolist() == list(range(10))


def test_photographs_of_a_person_differ():
    images = photograph(people(1).repeat(8, 1), 32, generator(0, "test"))
    gap = (images[:, None] - images[None]).abs().mean((2, 3, 4))
    assert gap[~torch.eye(8, dtype=torch.bool)].min() > 0.03


def test_the_noise_of_a_photograph_is_as_strong_as_it_says():
    dull = torch.full((1, len(IDENTITY)), 0.5).repeat(400, 1)
    noisy, clean = (photograph(dull, 16, generator(0, "test"), level) for level in (0.04, 0.0))
    inside = (clean > 0.2) & (clean < 0.8)
    assert float((noisy - clean)[inside].std()) == pytest.approx(0.04, rel=0.03)
