"""The verifier: what its networks saw, its templates, its threshold and its answers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import make_bank
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mi_tune.data import Bank, Split, procedural_banks, split_each_identity
from mi_tune.judging import Embedding, Gallery, VerifierRecipe, enrol, gallery, train_verifier
from mi_tune.judging import verifier as module
from mi_tune.judging.gallery import threshold_at
from mi_tune.judging.verifier import train_encoders
from mi_tune.nets import create_classifier, head_of
from mi_tune.nets.cosine import create_cosine_classifier, remove_head
from mi_tune.runtime.errors import InputError

CPU = torch.device("cpu")
PRIVATE, PUBLIC, _ = procedural_banks(private=8, public=40, images=8, resolution=16, seed=0)
SPLIT = split_each_identity(PRIVATE, (0.5, 0.25, 0.25), seed=0)
RECIPE = VerifierRecipe(views=6000)
TINY = VerifierRecipe(views=40)
FAR = 0.05


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MI_TUNE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return train_verifier(PUBLIC, PRIVATE, SPLIT, RECIPE, 0, CPU, FAR)


def tiny(**changes: object) -> Gallery:
    given = {"public": PUBLIC, "private": PRIVATE, "split": SPLIT, "recipe": TINY, "seed": 0, "device": CPU}
    return train_verifier(**given | changes)


def with_noise(bank: Bank, indices: np.ndarray) -> Bank:
    """The bank with other pixels in the images at `indices`."""
    images = bank.images.copy()
    images[indices] = np.random.default_rng(0).integers(0, 256, images[indices].shape)
    return dataclasses.replace(bank, images=images)


def by_person(images: np.ndarray, labels: np.ndarray) -> Tensor:
    """uint8 (people, each, channels, height, width); every person has equally many images."""
    return torch.from_numpy(np.stack([images[labels == k] for k in range(labels.max() + 1)]))


def similarities_by_hand(verifier: Gallery, images: np.ndarray) -> np.ndarray:
    """(n, classes), network by network and image by image, from the templates' definition."""
    everyone = np.zeros((len(images), PRIVATE.identities))
    for encoder in verifier.embedding.encoders:

        def unit(pixels: np.ndarray, encoder: torch.nn.Module = encoder) -> np.ndarray:
            x = torch.from_numpy(pixels[None]).float() / 255
            a, b = (encoder(v)[0].numpy() for v in (x, x.flip(3)))
            both = a / np.linalg.norm(a) + b / np.linalg.norm(b)
            return both / np.linalg.norm(both)

        train = PRIVATE.take(SPLIT.train)
        shown = np.stack([unit(image) for image in images])
        for k in range(PRIVATE.identities):
            everyone[:, k] += shown @ np.sum([unit(i) for i in train.images[train.labels == k]], axis=0)
    # the length of a person's template, over both networks
    for k in range(PRIVATE.identities):
        own = PRIVATE.images[SPLIT.train[PRIVATE.labels[SPLIT.train] == k]]
        total = verifier.embedding(torch.from_numpy(own), CPU).sum(0).norm()
        everyone[:, k] /= float(total) * len(verifier.embedding.encoders)
    return everyone


# ------------------------------------------------------------------------------------------------- what it has seen


def test_the_networks_are_the_same_whoever_is_private(monkeypatch, tmp_path):
    ours = tiny()
    monkeypatch.setenv("MI_TUNE_CACHE", str(tmp_path / "another"))
    theirs = tiny(private=with_noise(PRIVATE, np.arange(len(PRIVATE))))
    weights = [[p for e in v.embedding.encoders for p in e.state_dict().values()] for v in (ours, theirs)]
    assert len(weights[0]) > 0
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
    assert not torch.equal(ours.templates, theirs.templates)


def test_training_is_handed_the_public_images_and_nothing_else(monkeypatch):
    handed = []
    original = module.Training

    def spy(model, images, labels, indices, *rest):
        handed.append((images.numpy().copy(), labels.numpy().copy(), indices.numpy().copy()))
        return original(model, images, labels, indices, *rest)

    monkeypatch.setattr(module, "Training", spy)
    tiny()
    assert len(handed) == len(TINY.architectures)
    for images, labels, indices in handed:
        assert np.array_equal(images, PUBLIC.images)
        assert np.array_equal(labels, PUBLIC.labels)
        assert indices.max() < len(PUBLIC)


def test_one_public_identity_is_nobody_to_tell_apart_and_names_the_way_out():
    with pytest.raises(InputError, match=r"public-0000.*one sub-folder per person") as caught:
        tiny(public=PUBLIC.only(np.array([0])))
    assert "\n" not in str(caught.value)


def test_training_sees_about_as_many_images_of_a_small_bank_as_of_a_large_one(monkeypatch):
    seen = []
    original = module.Training.train_epoch
    monkeypatch.setattr(module.Training, "train_epoch", lambda self: seen.append(len(self.indices)) or original(self))
    for people in (5, 30):
        seen.clear()
        train_encoders(PUBLIC.only(np.arange(people)), VerifierRecipe(("small_cnn",), views=300), 0, CPU)
        assert 300 <= sum(seen) < 300 + 8 * people


# --------------------------------------------------------------------------------------------- templates, threshold


def test_a_template_is_the_mean_of_its_person_s_training_images_and_of_no_other():
    encoders, _ = train_encoders(PUBLIC, TINY, 0, CPU)
    embedding = Embedding("verifier", encoders, mirrored=True, key="tiny")
    before = enrol(embedding, PRIVATE, SPLIT, CPU, FAR).templates
    unseen = np.concatenate([SPLIT.val, SPLIT.test])
    assert torch.equal(before, enrol(embedding, with_noise(PRIVATE, unseen), SPLIT, CPU, FAR).templates)
    third = SPLIT.train[PRIVATE.labels[SPLIT.train] == 3]
    after = enrol(embedding, with_noise(PRIVATE, third), SPLIT, CPU, FAR).templates
    changed = (before - after).abs().amax(1) > 1e-4
    assert changed.tolist() == [k == 3 for k in range(8)]
    mean = embedding(torch.from_numpy(PRIVATE.images[third]), CPU).mean(0)
    torch.testing.assert_close(before[3], F.normalize(mean, dim=0))


@given(
    values=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=200, unique=True),
    far=st.floats(0.001, 0.5),
)
def test_the_threshold_lets_through_as_many_impostors_as_it_may_and_no_more(values, far):
    impostors = torch.tensor(values)
    passed = int((impostors > threshold_at(impostors, far)).sum())
    assert passed <= far * len(values) < passed + 1


def test_impostors_who_tie_stay_out_together():
    impostors = torch.tensor([0.9, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert (impostors > threshold_at(impostors, 0.3)).tolist() == [True] + [False] * 9


def test_the_threshold_attains_its_rate_on_the_impostors_that_set_it(verifier):
    others = np.concatenate([SPLIT.val, SPLIT.test])
    similarity = verifier.similarity(torch.from_numpy(PRIVATE.images[others]), CPU)
    impostor = torch.from_numpy(PRIVATE.labels[others])[:, None] != torch.arange(8)
    rate = float((similarity[impostor] > verifier.threshold).float().mean())
    assert FAR - 1 / int(impostor.sum()) <= rate <= FAR


# ------------------------------------------------------------------------------------------------------- its answers


def test_people_whom_it_never_saw_are_told_apart_far_better_than_by_chance(verifier):
    images = by_person(PRIVATE.images[SPLIT.val], PRIVATE.labels[SPLIT.val])
    found = verifier.answers(images, torch.arange(8), CPU).rank1
    assert found.shape == (8, 2)
    assert found.mean() > 0.6  # chance is 0.125
    assert verifier.held_out_rank1.low <= verifier.held_out_rank1.value <= verifier.held_out_rank1.high
    strangers = verifier.answers(images.roll(1, 0), torch.arange(8), CPU).rank1
    assert strangers.mean() < 0.2


def test_training_is_what_tells_people_apart(verifier):
    images = by_person(PRIVATE.images[SPLIT.val], PRIVATE.labels[SPLIT.val])
    untrained = tuple(
        remove_head(create_cosine_classifier(name, 2, 1, 16, 16, 0)).requires_grad_(False).eval()
        for name in RECIPE.architectures
    )
    blind = enrol(Embedding("untrained", untrained, mirrored=True, key="untrained"), PRIVATE, SPLIT, CPU, FAR)
    trained = verifier.answers(images, torch.arange(8), CPU).rank1.mean()
    assert trained > blind.answers(images, torch.arange(8), CPU).rank1.mean() + 0.1


def test_answers_to_held_out_photographs_match_a_computation_by_hand(verifier):
    images, labels = PRIVATE.images[SPLIT.test], PRIVATE.labels[SPLIT.test]
    similarity = similarities_by_hand(verifier, images)
    identified, accepted = similarity.argmax(1) == labels, similarity[np.arange(16), labels] > verifier.threshold
    shown = by_person(images, labels)
    order = np.argsort(labels, kind="stable")
    answers = verifier.answers(shown, torch.arange(8), CPU)
    assert np.array_equal(answers.rank1.ravel(), identified[order])
    assert np.array_equal(answers.accepted.ravel(), accepted[order])
    np.testing.assert_allclose(answers.similarity.ravel(), similarity[np.arange(16), labels][order], atol=1e-5)
    five = np.argsort(-similarity, axis=1)[:, :5]
    assert np.array_equal(answers.rank5.ravel(), (five == labels[:, None]).any(1)[order])
    assert verifier.rank5.mean() == pytest.approx((five == labels[:, None]).any(1).mean())
    assert verifier.held_out_rank1.value == pytest.approx(identified.mean())
    assert verifier.held_out_tar.value == pytest.approx(accepted.mean())
    assert verifier.held_out_tar.value > 0


def test_an_answer_is_about_the_attacked_class_whichever_row_it_stands_in(verifier):
    images = by_person(PRIVATE.images[SPLIT.test], PRIVATE.labels[SPLIT.test])
    some = torch.tensor([5, 2])
    everyone, asked = (vars(verifier.answers(images[k], k, CPU)) for k in (torch.arange(8), some))
    for name, answer in asked.items():
        np.testing.assert_allclose(answer, everyone[name][some.numpy()], atol=1e-6)


def test_bytes_and_floats_of_one_image_and_its_mirror_image_are_embedded_alike(verifier):
    images = torch.from_numpy(PRIVATE.images[:4])
    vectors = verifier.embedding(images, CPU)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(verifier.embedding(images.float() / 255, CPU), vectors)
    torch.testing.assert_close(verifier.embedding(images.flip(3), CPU), vectors)


# --------------------------------------------------------------------------------------------------------- the cache


def test_a_verifier_is_made_once_and_found_again(monkeypatch):
    first = tiny()
    monkeypatch.setattr(module, "Training", lambda *a: pytest.fail("trained again"))
    monkeypatch.setattr(gallery, "_enrolment", lambda *a: pytest.fail("enrolled again"))
    again = tiny()
    images = torch.from_numpy(PRIVATE.images)
    assert torch.equal(first.similarity(images, CPU), again.similarity(images, CPU))
    assert (first.threshold, first.held_out_tar) == (again.threshold, again.held_out_tar)


def test_any_change_of_people_split_recipe_seed_or_rate_is_another_verifier():
    other_split = Split(SPLIT.train, SPLIT.test, SPLIT.val)
    keys = {
        tiny(**changes).key
        for changes in (
            {},
            {"public": with_noise(PUBLIC, np.array([0]))},
            {"private": with_noise(PRIVATE, np.array([0]))},
            {"split": other_split},
            {"recipe": dataclasses.replace(TINY, scale=8.0)},
            {"seed": 1},
            {"far": 0.1},
        )
    }
    assert len(keys) == 7


# ---------------------------------------------------------------------------------------------------- the cosine head


@pytest.mark.parametrize("name", ["small_cnn", "conv_attention", "residual_gn", "resnet18"])
def test_a_cosine_classifier_knows_angles_alone(name):
    size = 64 if name == "resnet18" else 16
    model = create_cosine_classifier(name, 5, 1, size, scale=16.0, seed=0).eval()
    images = torch.rand(3, 1, size, size)
    logits = model(images)
    head = head_of(model)
    features = remove_head(model)(images)
    assert features.shape == (3, head.in_features)
    expected = 16 * F.cosine_similarity(features[:, None], head.weight[None], dim=2)
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(head(7 * features), logits)


def test_only_the_head_of_a_cosine_classifier_is_another():
    plain = create_classifier("small_cnn", 4, 1, 16, 0).state_dict()
    cosine = create_cosine_classifier("small_cnn", 4, 1, 16, 16.0, 0).state_dict()
    assert {name for name in plain if not torch.equal(plain[name], cosine.get(name, torch.empty(0)))} == {
        "backbone.head.weight",
        "backbone.head.bias",
    }


def test_grey_and_colour_are_verified():
    colour = make_bank(5, images=6, channels=3)
    split = split_each_identity(colour, (0.5, 0.25, 0.25), seed=0)
    others = make_bank(6, images=6, channels=3, seed=1)
    verifier = train_verifier(others, colour, split, VerifierRecipe(views=500), 0, CPU)
    assert verifier.held_out_rank1.value > 0.6
