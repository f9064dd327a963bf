"""Joint draws over seeds and people: known distributions, pairing, missing results, and what intervals cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import special, stats

from analysis.statistics.effects import effects
from analysis.statistics.resampling import person_effects_without_noise, resample
from analysis.statistics.simulated_hits import CrossedDesign
from mi_tune.judging.intervals import class_interval
from mi_tune.runtime.errors import InputError
from studies.benchmarks.coverage import coverage


def _noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def _ends(mean: float, error: float, quantile: float) -> tuple[float, float]:
    """Of the interval that is symmetric on the scale of the arcsine of the square root."""
    reach = quantile * error / (2 * np.sqrt(mean * (1 - mean)))
    angles = np.arcsin(np.sqrt(mean)) + np.array([-reach, reach])
    return tuple(np.sin(angles.clip(0, np.pi / 2)) ** 2)


def test_effects_add_up_to_the_accuracies_and_cancel_along_every_axis():
    accuracy = np.random.default_rng(0).random((2, 3, 7))
    found = effects(accuracy)
    parts = found.mean[:, None, None] + found.seed[:, :, None] + found.person[:, None, :] + found.rest
    assert parts == pytest.approx(accuracy)
    for one in (found.seed.sum(1), found.person.sum(1), found.rest.sum(1), found.rest.sum(2)):
        assert np.abs(one).max() < 1e-12


def test_with_holes_the_effects_are_those_of_least_squares():
    accuracy = np.random.default_rng(1).random((3, 6))
    accuracy[0, 0] = accuracy[0, 3] = accuracy[2, 5] = np.nan
    found = effects(accuracy[None])
    seeds, people = np.nonzero(~np.isnan(accuracy))
    design = np.zeros((len(seeds), 9))
    design[np.arange(len(seeds)), seeds] = design[np.arange(len(seeds)), 3 + people] = 1
    solved = design @ np.linalg.lstsq(design, accuracy[seeds, people], rcond=None)[0]
    fitted = found.mean[:, None, None] + found.seed[:, :, None] + found.person[:, None, :]
    assert fitted[0, seeds, people] == pytest.approx(solved, abs=1e-8)


def test_a_seed_that_lost_its_hardest_people_is_not_taken_for_a_better_one():
    accuracy = 0.5 + np.array([-0.05, 0.0, 0.05])[:, None] + np.linspace(-0.3, 0.3, 20)
    holes = accuracy.copy()
    holes[0, :8] = np.nan
    assert resample({"law": holes}).values[0] == pytest.approx(0.5, abs=1e-8)
    assert np.nanmean(holes) > 0.53


def test_where_people_are_alike_the_interval_is_students_over_three_seeds():
    by_seed = np.array([0.40, 0.45, 0.56])
    found = resample({"law": np.repeat(by_seed[:, None], 10, 1)}, 20_000).estimate("law")
    low, high = _ends(by_seed.mean(), by_seed.std(ddof=1) / np.sqrt(3), stats.t.ppf(0.975, 2))
    assert found.value == pytest.approx(by_seed.mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)


def test_a_point_that_was_not_retrained_has_students_interval_over_people():
    person = special.expit(_noise(200))
    found = resample({"law": person[None]}, 20_000).estimate("law")
    low, high = _ends(person.mean(), stats.sem(person), stats.t.ppf(0.975, 199))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.004)


def test_few_people_vary_as_students_t_of_their_standard_error():
    person = 0.5 + 0.01 * _noise(6)
    angles = np.arcsin(np.sqrt(resample({"law": person[None]}, 100_000).draws[:, 0]))
    error = stats.sem(person) / (2 * np.sqrt(person.mean() * (1 - person.mean())))
    assert angles.var() == pytest.approx(error**2 * 5 / 3, rel=0.06)  # the variance of Student's t with 5 degrees


def test_with_seeds_and_people_the_interval_is_that_of_behrens_and_fisher():
    accuracy = 0.5 + 0.03 * _noise(3, 1) + 0.12 * _noise(40, seed=1)
    found = resample({"law": accuracy}, 40_000).estimate("law")
    errors = stats.sem(accuracy.mean(1)), stats.sem(accuracy.mean(0))
    rng = np.random.default_rng(2)
    mixed = errors[0] * rng.standard_t(2, 400_000) + errors[1] * rng.standard_t(39, 400_000)
    low, high = _ends(accuracy.mean(), 1.0, np.quantile(mixed, 0.975))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.005)


def test_a_difference_varies_as_the_analysis_of_variance_says_and_noise_is_counted_once():
    seeds, classes = 40, 60
    person, shape = 0.10 * _noise(classes), (2, seeds, classes)
    accuracy = 0.5 + person + 0.004 * _noise(2, seeds, 1, seed=1) + 0.02 * _noise(*shape, seed=2)
    accuracy[1] += 0.005 * _noise(classes, seed=3)
    drawn = resample({"ours": accuracy[0], "theirs": accuracy[1]}, 40_000)
    apart = accuracy[0] - accuracy[1]
    by_seed, by_person = seeds - 1, classes - 1
    rest = apart - apart.mean(1, keepdims=True) - apart.mean(0) + apart.mean()
    noise = (rest**2).sum() / (by_seed * by_person) / (seeds * classes)
    of_seeds, of_people = apart.mean(1).var(ddof=1) / seeds, apart.mean(0).var(ddof=1) / classes
    assert noise > 0.4 * of_people
    # a t-like part with d degrees of freedom has d / (d - 2) times the variance of a normal one
    expected = of_seeds * by_seed / (by_seed - 2) + (of_people - noise) * by_person / (by_person - 2)
    assert (drawn.draws[:, 0] - drawn.draws[:, 1]).var() == pytest.approx(expected, rel=0.04)


def test_people_keep_the_covariance_that_is_not_noise_whatever_the_points():
    points, seeds, classes = 4, 6, 400
    shared = _noise(points, 1, classes, seed=4) * np.array([1.0, 2.0, 0.5, 1.5])[:, None, None]
    found = effects(shared + shared[:1] + 1.2 * _noise(points, seeds, classes, seed=5))
    kept = person_effects_without_noise(found)
    rest = found.rest.reshape(points, -1)
    noise = rest @ rest.T / ((seeds - 1) * (classes - 1) * seeds)
    assert np.linalg.eigvalsh(np.cov(found.person) - noise).min() > 0
    assert np.cov(kept) == pytest.approx(np.cov(found.person) - noise)


def test_more_points_than_people_are_drawn_without_negative_variance():
    found = effects(np.random.default_rng(6).random((30, 3, 8)))
    kept, before = np.cov(person_effects_without_noise(found)), np.cov(found.person)
    assert (np.diag(kept) <= np.diag(before) + 1e-12).all()
    assert np.linalg.eigvalsh(before - kept).min() > -1e-12


def test_points_are_paired_by_person_and_by_seed():
    hits = CrossedDesign((0.5,), seeds=3, classes=60, seed_sd=0.6).hits(np.random.default_rng(7))[0].mean(2)
    hits = 0.1 + 0.7 * hits
    drawn = resample({"ours": hits, "better": hits - 0.05, "other people": hits[:, ::-1], "other seeds": hits[::-1]})

    def width(name: str) -> float:
        found = drawn.difference("ours", name)
        return found.high - found.low

    assert width("ours") == 0
    assert width("better") < 0.2 * min(width("other people"), width("other seeds"))
    assert drawn.difference("ours", "better").value == pytest.approx(0.05)


def test_images_enter_through_the_accuracy_of_their_person_and_seed():
    hits = CrossedDesign((0.3, 0.6), classes=20).hits(np.random.default_rng(8))
    padded = np.concatenate([hits, np.full_like(hits, np.nan)], 3)
    whole = resample(dict(zip("ab", padded, strict=True)))
    averaged = resample(dict(zip("ab", hits.mean(3), strict=True)))
    assert whole.draws == pytest.approx(averaged.draws)


def test_a_person_with_one_image_left_counts_with_that_image():
    hits = CrossedDesign((0.3, 0.6), classes=20).hits(np.random.default_rng(8))
    one = hits[0].copy()
    one[:, 0, 1:], one[:, 0, 0] = np.nan, 1.0
    averaged = np.nanmean(one, axis=2)
    assert resample({"a": one}).draws == pytest.approx(resample({"a": averaged}).draws)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_where_every_hit_is_alike_the_ends_are_those_of_clopper_and_pearson(rate):
    found = resample({"law": np.full((3, 40, 8), rate)}).estimate("law")
    assert found == pytest.approx(class_interval(np.full(40, rate)), abs=2e-3)
    assert rate in found


def test_two_laws_without_any_hit_are_not_known_to_be_the_same():
    none = np.zeros((3, 40, 8))
    found = resample({"ours": none, "theirs": none}).difference("ours", "theirs")
    assert found.value == 0
    assert -0.1 < found.low < -0.05
    assert 0.05 < found.high < 0.1


def test_a_lost_seed_costs_its_point_certainty_and_no_other_point():
    accuracy = 0.5 + np.array([-0.02, 0.01, 0.01])[:, None] + 0.1 * _noise(50)
    lost = accuracy.copy()
    lost[2] = np.nan
    whole = resample({"kept": accuracy, "law": accuracy})
    drawn = resample({"kept": accuracy, "law": lost})
    assert drawn.values[1] == pytest.approx(accuracy[:2].mean())
    assert drawn.estimate("kept") == pytest.approx(whole.estimate("kept"))
    widths = [one.high - one.low for one in (drawn.estimate("law"), whole.estimate("law"))]
    assert widths[0] > 2 * widths[1]


def test_the_same_seed_draws_the_same_and_another_does_not():
    hits = {"law": CrossedDesign((0.4,), classes=12).hits(np.random.default_rng(9))[0]}
    assert (resample(hits).draws == resample(hits).draws).all()
    assert (resample(hits, seed=1).draws != resample(hits).draws).any()


HITS = arrays.arrays(float, (2, 3, 5, 2), elements=st.sampled_from([0.0, 1.0]))


@settings(max_examples=50, deadline=None)
@given(HITS)
def test_accuracies_stay_between_0_and_1_and_hold_their_estimate(hits):
    drawn = resample({"ours": hits[0], "theirs": hits[1]}, 200)
    assert ((drawn.draws >= 0) & (drawn.draws <= 1)).all()
    assert drawn.values == pytest.approx(hits.mean((1, 2, 3)))
    for one, bound in ((drawn.estimate("ours"), 0), (drawn.difference("ours", "theirs"), -1)):
        assert bound <= one.low <= one.value <= one.high <= 1


GOOD = np.zeros((3, 4, 2))
NO_CLASS = GOOD.copy()
NO_CLASS[:, 2] = np.nan
ONE_SEED = GOOD.copy()
ONE_SEED[1:] = np.nan


@pytest.mark.parametrize(
    ("points", "culprit"),
    [
        ({}, "no point"),
        ({"law": GOOD[0, 0]}, "shape"),
        ({"law": GOOD[:, :0]}, "shape"),
        ({"law": GOOD + 1.5}, "outside"),
        ({"law": GOOD[:, :1]}, "one class"),
        ({"law": GOOD, "short": GOOD[:, :3]}, "'short' has 3 classes"),
        ({"law": NO_CLASS}, "no image of class 2"),
        ({"law": ONE_SEED}, "one seed left of 3"),
    ],
)
def test_results_that_cannot_be_resampled_are_refused_by_name(points, culprit):
    with pytest.raises(InputError, match=culprit) as caught:
        resample(points)
    assert "\n" not in str(caught.value)


def test_an_unknown_point_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="'lost'; there are law"):
        resample({"law": GOOD}).estimate("lost")


def test_simulated_hits_have_the_rates_they_are_said_to_have():
    layout = CrossedDesign((0.1, 0.5, 0.85), seeds=200, classes=4000, images=1, seed_sd=0.5, class_sd=1.5)
    assert layout.hits(np.random.default_rng(10)).mean((1, 2, 3)) == pytest.approx(layout.rates, abs=0.02)


WORLDS = [
    CrossedDesign((0.5, 0.4), classes=50, seed_sd=0.2),
    CrossedDesign((0.1, 0.1), classes=100, seed_sd=0.4, own_class_sd=0.0),
    CrossedDesign((0.9, 0.85), classes=30, seed_sd=0.1),
    CrossedDesign((0.5, 0.4), seeds=5, classes=30, seed_sd=0.0, own_class_sd=0.0),
    CrossedDesign((0.5, 0.4), classes=50, seed_sd=1.0, class_sd=1.0),
]


@pytest.mark.slow
@pytest.mark.parametrize("layout", WORLDS)
def test_95_percent_intervals_hold_the_truth_in_about_95_percent_of_simulated_studies(layout):
    # 500 replications know a share of 95 % to 1 point (one standard deviation)
    single, apart, _, _ = coverage(layout, 500, 500)[0]
    assert 0.925 <= single <= 0.99
    assert 0.925 <= apart <= 0.99


def test_resampling_three_seeds_as_they_are_would_hold_it_far_less_often():
    ours, naive = coverage(CrossedDesign((0.5, 0.4), classes=60, seed_sd=0.8, class_sd=0.5), 150, 300, True)
    assert naive[1] < 0.85
    assert ours[1] > 0.9
