"""Private people among the public ones under other names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import make_bank
from own_recognisers import Pixels

from mi_tune.data import Bank, split_each_identity
from mi_tune.judging import enrol
from mi_tune.judging.gallery import Embedding
from mi_tune.judging.same_people import find_pairs, pairs_sentence

CPU = torch.device("cpu")
EVERYBODY = make_bank(16, images=12, size=16)


def only(people: list[int], images: slice, prefix: str) -> Bank:
    """Some photographs of some people, under new names."""
    rows = np.concatenate([np.flatnonzero(EVERYBODY.labels == k)[images] for k in people])
    order = {old: new for new, old in enumerate(people)}
    labels = np.array([order[k] for k in EVERYBODY.labels[rows]])
    return Bank(EVERYBODY.images[rows], labels, tuple(f"{prefix}{k}" for k in people))


@pytest.fixture(scope="module")
def embedding() -> Embedding:
    torch.manual_seed(0)
    return Embedding("pixels", (Pixels(features=128).eval(),), mirrored=False, key="pixels")


PRIVATE = only(list(range(8)), slice(0, 9), "private ")
SPLIT = split_each_identity(PRIVATE, (0.6, 0.2, 0.2), 0)


def test_other_photographs_of_a_private_person_are_found_among_the_public(embedding):
    public = only([12, 3, 13, 6], slice(9, 12), "public ")
    pairs = find_pairs(enrol(embedding, PRIVATE, SPLIT, CPU), PRIVATE, SPLIT, public, CPU)
    assert sorted(pairs) == [(3, 1), (6, 3)]
    text = pairs_sentence(pairs, PRIVATE, public, "pixels")
    assert text.startswith("warning: 2 pairs of private and public people look to pixels like one person")
    assert f"'private {pairs[0][0]}'" in text


def test_strangers_make_no_pair_and_no_warning(embedding):
    public = only([10, 11, 12, 13, 14, 15], slice(0, 12), "public ")
    pairs = find_pairs(enrol(embedding, PRIVATE, SPLIT, CPU), PRIVATE, SPLIT, public, CPU)
    assert pairs == []
    assert pairs_sentence(pairs, PRIVATE, public, "pixels") == ""


def test_photographs_without_names_make_no_pair(embedding):
    known = only([3], slice(9, 12), "all ")
    assert find_pairs(enrol(embedding, PRIVATE, SPLIT, CPU), PRIVATE, SPLIT, known, CPU) == []


def test_an_embedding_that_cannot_tell_people_apart_makes_no_pair():
    class Noise(Pixels):
        def forward(self, images):
            return torch.randn(len(images), 8, generator=torch.Generator().manual_seed(len(images)))

    gallery = enrol(Embedding("noise", (Noise().eval(),), False, "noise"), PRIVATE, SPLIT, CPU)
    assert find_pairs(gallery, PRIVATE, SPLIT, only([3, 6], slice(9, 12), "public "), CPU) == []
