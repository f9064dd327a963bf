"""Judges, their twins, and intervals over classes."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import make_bank
from scipy import stats

from mi_tune.data import split_each_identity
from mi_tune.judging import JudgeRecipe, class_interval, judge_images, judge_key, train_judge
from mi_tune.judging.intervals import per_class_mean
from mi_tune.nets.training import Recipe

CPU = torch.device("cpu")
RECIPE = JudgeRecipe(training=Recipe(epochs=12, affine=True, flip=False))


@pytest.fixture(scope="module")
def private():
    bank = make_bank(5, images=10)
    return bank, split_each_identity(bank, (0.6, 0.2, 0.2), seed=0)


def test_an_interval_holds_its_mean_and_narrows_with_classes():
    rng = np.random.default_rng(0)
    few, many = class_interval(rng.uniform(0, 1, 20)), class_interval(rng.uniform(0, 1, 500))
    for estimate in (few, many):
        assert estimate.low < estimate.value < estimate.high
    assert many.high - many.low < (few.high - few.low) / 3


def test_the_interval_matches_a_hand_written_class_bootstrap():
    per_class = np.random.default_rng(1).beta(2, 1, 40)
    rng = np.random.default_rng(2)
    means = per_class[rng.integers(0, 40, (20_000, 40))].mean(1)
    expected = np.quantile(means, [0.025, 0.975])
    assert class_interval(per_class, resamples=20_000)[1:] == pytest.approx(tuple(expected), abs=0.005)


def test_agreement_of_all_classes_is_not_certainty():
    exact = stats.binomtest(30, 30).proportion_ci(0.95).low
    assert class_interval(np.ones(30)).low == pytest.approx(exact)
    assert class_interval(np.zeros(30)).high == pytest.approx(1 - exact)


@pytest.mark.parametrize("truth", [0.5, 0.8])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(truth):
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        # four correlated images a class: classes differ in how recognisable they are
        skill = rng.beta(4 * truth, 4 * (1 - truth), 30)
        estimate = class_interval(rng.binomial(4, skill) / 4, resamples=400)
        covered += estimate.low <= truth <= estimate.high
    assert 0.87 <= covered / 200 <= 0.99


def test_the_unit_is_the_class_not_the_image():
    # ten copies of each image of a class add no information
    hits = np.random.default_rng(4).integers(0, 2, 30)
    labels = np.arange(30)
    once = class_interval(per_class_mean(hits, labels, 30))
    copied = class_interval(per_class_mean(hits.repeat(10), labels.repeat(10), 30))
    assert once == copied


def test_a_judge_knows_the_private_people_and_says_how_well(private):
    bank, split = private
    judge = train_judge(bank, split, RECIPE, 0, CPU)
    images = torch.from_numpy(bank.images).view(5, 10, 1, 16, 16)
    verdicts = judge_images(judge, images, torch.arange(5), CPU)
    assert verdicts.accuracy.mean() > 0.9
    assert 0.5 < judge.held_out.value <= 1
    assert judge.held_out.low <= judge.held_out.value


def test_a_judge_gives_noise_to_no_one_in_particular_and_counts_per_class(private):
    bank, split = private
    judge = train_judge(bank, split, RECIPE, 0, CPU)
    wrong = torch.from_numpy(bank.images).view(5, 10, 1, 16, 16).roll(1, 0)
    verdicts = judge_images(judge, wrong, torch.arange(5), CPU)
    assert verdicts.accuracy.mean() < 0.1
    assert (verdicts.accuracy_top5 == 1).all()  # of five classes
    assert verdicts.top1.shape == (5, 10)


def test_a_judge_is_trained_once_and_found_again(private, monkeypatch):
    bank, split = private
    first = train_judge(bank, split, RECIPE, 0, CPU)
    monkeypatch.setattr("mi_tune.judging.judge._train", lambda *a: pytest.fail("trained again"))
    again = train_judge(bank, split, RECIPE, 0, CPU)
    assert again.held_out == first.held_out
    x = torch.from_numpy(bank.images)
    assert torch.equal(first.logits(x, CPU), again.logits(x, CPU))


def test_any_change_of_data_split_recipe_or_seed_changes_the_key(private):
    bank, split = private
    keys = {judge_key(bank, split, RECIPE, 0), judge_key(bank, split, RECIPE, 1)}
    keys.add(judge_key(make_bank(5, images=10, seed=1), split, RECIPE, 0))
    keys.add(judge_key(bank, split_each_identity(bank, (0.6, 0.2, 0.2), seed=1), RECIPE, 0))
    keys.add(judge_key(bank, split, dataclasses.replace(RECIPE, architecture="resnet18"), 0))
    assert len(keys) == 5


@pytest.mark.parametrize("photographs", ["unseen", "all"])
def test_a_judge_is_measured_on_images_that_it_or_its_twin_never_saw(private, monkeypatch, photographs):
    bank, split = private
    seen, asked = [], []
    import mi_tune.judging.judge as module

    train, ask = module._train, module.predict
    monkeypatch.setattr(module, "_train", lambda b, i, *rest: seen.append(set(i.tolist())) or train(b, i, *rest))
    monkeypatch.setattr(module, "predict", lambda m, x, d, i: asked.append(set(i.tolist())) or ask(m, x, d, i))
    recipe = JudgeRecipe(training=Recipe(epochs=1, affine=True), photographs=photographs)
    assert train_judge(bank, split, recipe, 7, CPU).learned == photographs
    if photographs == "all":
        assert seen == [set(range(50)), set(split.train) | set(split.val)]
    else:
        assert seen == [set(split.val) | set(split.test)]
    assert len(asked) == 1
    assert not asked[0] & seen[-1]
