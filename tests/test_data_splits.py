"""Splits: who is private, what trains, and copies that must not cross a line."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import make_bank
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_tune.data import Bank, drop_copies, published_split, split_each_identity, split_identities
from mi_tune.data.splits import nearest
from mi_tune.runtime.errors import InputError

SHARES = st.sampled_from([(0.6, 0.2, 0.2), (0.3, 0.5, 0.2), (0.34, 0.33, 0.33), (0.8, 0.1, 0.1)])


def random_bank(identities: int, images: int, seed: int = 0) -> Bank:
    """Images of pure noise: none is a copy of another."""
    pixels = np.random.default_rng(seed).integers(0, 256, (identities * images, 1, 24, 24), dtype=np.uint8)
    names = tuple(f"p{seed}-{k}" for k in range(identities))
    return Bank(pixels, np.arange(identities, dtype=np.int64).repeat(images), names)


def with_copies(bank: Bank, change) -> Bank:
    """The bank with a changed copy of every image behind it."""
    copies = np.stack([change(image) for image in bank.images]).clip(0, 255).astype(np.uint8)
    return Bank(np.concatenate([bank.images, copies]), np.tile(bank.labels, 2), bank.names)


@settings(max_examples=40)
@given(st.integers(2, 6), st.integers(3, 20), SHARES, st.integers(0, 1000))
def test_every_image_is_in_one_part_and_every_identity_in_all_parts(identities, images, shares, seed):
    bank = random_bank(identities, images)
    split = split_each_identity(bank, shares, seed)
    parts = (split.train, split.val, split.test)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(bank)))
    for part, share in zip(parts, shares, strict=True):
        counts = np.bincount(bank.labels[part], minlength=identities)
        assert counts.min() >= 1
        assert np.abs(counts - share * images).max() <= 1.5


def test_a_split_depends_on_its_seed_alone():
    bank = random_bank(4, 10)
    once, again, other = (split_each_identity(bank, (0.6, 0.2, 0.2), seed).train for seed in (0, 0, 1))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: image.astype(float) * 0.8 + 20,
        lambda image: image + np.random.default_rng(0).normal(0, 6, image.shape),
    ],
    ids=["same", "other light", "noise"],
)
@pytest.mark.parametrize("seed", range(3))
def test_copies_of_a_photograph_stay_in_one_part(change, seed):
    bank = with_copies(random_bank(3, 6), change)
    split = split_each_identity(bank, (0.6, 0.2, 0.2), seed)
    part = np.zeros(len(bank), dtype=int)
    part[split.val], part[split.test] = 1, 2
    assert np.array_equal(part[:18], part[18:])


def test_an_identity_with_too_few_different_photographs_is_named():
    bank = random_bank(2, 4)
    images = bank.images.copy()
    images[6:] = images[5]
    with pytest.raises(InputError, match=r"'p0-1' has 4 image\(s\), 2 of them different"):
        split_each_identity(Bank(images, bank.labels, bank.names), (0.6, 0.2, 0.2), 0)


@given(st.integers(2, 8), st.integers(0, 100))
def test_private_and_public_people_are_disjoint_and_together_everybody(private, seed):
    bank = random_bank(10, 3)
    ours, theirs = split_identities(bank, private, seed)
    assert ours.identities == private
    assert sorted(ours.names + theirs.names) == sorted(bank.names)
    for side in (ours, theirs):
        assert np.unique(side.labels).tolist() == list(range(side.identities))
        for label, name in enumerate(side.names):
            original = bank.images[bank.labels == bank.names.index(name)]
            assert np.array_equal(side.images[side.labels == label], original)


@pytest.mark.parametrize("private", [0, 1, 9, 10, 11])
def test_both_sides_need_two_people(private):
    with pytest.raises(InputError, match="private_identities"):
        split_identities(random_bank(10, 3), private, 0)


def test_public_copies_of_private_images_are_dropped_and_nothing_else():
    private, public = random_bank(3, 4), random_bank(4, 5, seed=1)
    images = public.images.copy()
    images[2] = private.images[7]
    images[9] = (private.images[1] * 0.9 + 5).astype(np.uint8)
    cleaned, dropped = drop_copies(Bank(images, public.labels, public.names), private)
    assert dropped == 2
    kept = [k for k in range(20) if k not in (2, 9)]
    assert np.array_equal(cleaned.images, images[kept])
    assert cleaned.names == public.names


def test_a_person_of_whom_nothing_is_left_disappears():
    private, public = random_bank(3, 4), random_bank(3, 2, seed=1)
    images = public.images.copy()
    images[2:4] = private.images[:2]
    cleaned, dropped = drop_copies(Bank(images, public.labels, public.names), private)
    assert dropped == 2
    assert cleaned.names == ("p1-0", "p1-2")
    assert cleaned.labels.tolist() == [0, 0, 1, 1]


def test_a_fingerprint_changes_with_any_pixel_label_or_name():
    bank = make_bank(3)
    pixels, labels = bank.images.copy(), bank.labels.copy()
    pixels[4, 0, 3, 3] ^= 1
    labels[0] = 1
    others = [
        Bank(pixels, bank.labels, bank.names),
        Bank(bank.images, labels, bank.names),
        Bank(bank.images, bank.labels, ("x", *bank.names[1:])),
    ]
    assert len({bank.fingerprint(), *(other.fingerprint() for other in others)}) == 4
    assert bank.fingerprint() == Bank(bank.images.copy(), bank.labels.copy(), bank.names).fingerprint()


def test_the_mean_is_per_channel_in_the_unit_interval():
    images = np.zeros((2, 3, 4, 4), dtype=np.uint8)
    images[:, 1] = 255
    images[0, 2] = 255
    assert Bank(images, np.zeros(2, dtype=np.int64), ("a",)).mean() == pytest.approx((0, 1, 0.5))


# ------------------------------------------------------------------------------------------------- the papers' division


def test_the_published_split_holds_out_their_last_tenth_and_has_every_identity_in_all_parts():
    bank = random_bank(12, 20)
    split = published_split(bank, 0)
    parts = (split.train, split.val, split.test)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(bank)))
    assert all(np.bincount(bank.labels[part], minlength=12).min() >= 1 for part in parts)
    theirs = np.arange(len(bank))
    np.random.RandomState(42).shuffle(theirs)
    last = set(theirs[int(0.9 * len(bank)) :].tolist())
    without = {k for k in range(12) if not last & set(np.flatnonzero(bank.labels == k).tolist())}
    borrowed = set(split.test.tolist()) - last
    assert last <= set(split.test.tolist())
    assert {int(bank.labels[image]) for image in borrowed} == without  # only those whom the tenth has none of
    assert len(borrowed) == len(without)


def test_the_published_split_is_theirs_for_every_seed_and_ours_where_the_search_looks():
    bank = random_bank(6, 30)
    one, two = published_split(bank, 1), published_split(bank, 2)
    shared = set(one.test.tolist()) & set(two.test.tolist())
    assert len(shared) >= 18
    assert one.val.tolist() != two.val.tolist()


def test_no_near_copy_crosses_the_published_split():
    bank = with_copies(random_bank(5, 12), lambda image: image.astype(int) * 0.8 + 20)
    split = published_split(bank, 0)
    part = np.empty(len(bank), dtype=int)
    for number, images in enumerate((split.train, split.val, split.test)):
        part[images] = number
    assert (part[:60] == part[60:]).all()


def test_the_nearest_of_many_is_found_block_by_block():
    rng = np.random.default_rng(0)
    ours, theirs = (rng.normal(size=(n, 144)).astype(np.float32) for n in (1500, 5000))
    assert nearest(ours, theirs) == pytest.approx((ours @ theirs.T).max(1), rel=1e-5)
