"""Corrected comparisons and the leak index, on numbers whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.claims import claims, holm, p_value
from analysis.statistics.leak import leak_index
from analysis.statistics.resampling import Draws, resample
from analysis.statistics.simulated_hits import CrossedDesign
from mi_tune.runtime.errors import InputError


def test_holm_corrects_as_worked_by_hand():
    # sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04; none below those before it
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]).tolist() == [1, 1]
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_a_corrected_p_value_is_the_least_level_at_which_holms_steps_reject_it(p):
    corrected = holm(p)
    for level in (0.01, 0.05, 0.2, 0.7):
        rejected = set()
        for step, index in enumerate(np.argsort(p, kind="stable")):
            if p[index] * (len(p) - step) > level:
                break
            rejected.add(int(index))
        assert {k for k, q in enumerate(corrected) if q <= level} == rejected


def test_true_nulls_are_rarely_claimed_however_many_there_are():
    drawn = np.random.default_rng(0).random((2000, 20))
    false = [any(one.significant for one in claims(dict(enumerate(map(float, row))))) for row in drawn]
    uncorrected = (drawn < 0.05).any(1).mean()
    assert np.mean(false) < 0.07
    assert uncorrected > 0.6


def test_the_p_value_counts_draws_beyond_nothing_and_one_more():
    draws = np.concatenate([np.full(980, 0.1), np.full(19, -0.1)])
    assert p_value(draws) == pytest.approx(2 * 20 / 1000)
    assert p_value(-draws) == p_value(draws)
    assert p_value(np.full(99, 0.1)) == pytest.approx(2 / 100)
    assert p_value(np.zeros(99)) == 1


def test_the_p_value_of_normal_draws_is_the_normal_one():
    draws = stats.norm.ppf((np.arange(10_000) + 0.5) / 10_000, 2.2, 1)
    assert p_value(draws) == pytest.approx(2 * stats.norm.sf(2.2), rel=0.02)


def test_claims_keep_their_names_and_say_what_is_apart():
    draws = np.random.default_rng(1).normal(size=4000)
    found = claims({"far": draws + 10, "near": draws + 0.5, "given": 0.03})
    assert [one.name for one in found] == ["far", "near", "given"]
    assert [one.significant for one in found] == [True, False, False]
    assert found[2].corrected == pytest.approx(0.06)


def test_too_few_draws_for_so_many_comparisons_are_refused_with_a_number_that_works():
    few = {str(k): np.full(999, 0.1) for k in range(190)}
    with pytest.raises(InputError, match="resample 7600 times"):
        claims(few)
    assert all(one.significant for one in claims({name: np.full(7600, 0.1) for name in few}))


def test_one_comparison_needs_39_draws_at_5_percent():
    (just,) = claims({"one": np.full(39, 0.1)})
    assert just.significant and just.p_value == 0.05
    with pytest.raises(InputError, match="38 draws"):
        claims({"one": np.full(38, 0.1)})


@pytest.mark.parametrize("draws", [np.zeros((2, 2)), np.zeros(0), np.array([0.1, np.nan])])
def test_a_p_value_of_no_draws_is_refused(draws):
    with pytest.raises(InputError, match="draws"):
        p_value(draws)


def test_a_p_value_outside_0_and_1_is_refused():
    with pytest.raises(InputError, match="not all in"):
        holm([0.2, 1.2])


def _drawn(attack: float, baseline: float, ceiling: float, noise: float = 0.01, seed: int = 0) -> Draws:
    values = np.array([attack, baseline, ceiling])
    return Draws(
        ("attack", "baseline", "ceiling"),
        values,
        values + noise * np.random.default_rng(seed).standard_normal((20_000, 3)),
    )


def _leak(drawn: Draws):
    return leak_index(drawn, "attack", "baseline", "ceiling")


def test_the_leak_index_is_the_share_of_the_way_from_baseline_to_ceiling():
    found = _leak(_drawn(0.5, 0.1, 0.9))
    assert found.estimate.value == pytest.approx(0.5)
    assert found.reason == ""
    assert found.estimate.low < 0.5 < found.estimate.high


def test_the_interval_of_the_leak_index_is_fiellers():
    noise, gain, reach = 0.05, 0.2, 0.4
    found = _leak(_drawn(0.1 + gain, 0.1, 0.1 + reach, noise)).estimate
    # r is inside while |gain - r * reach| is within z standard deviations of attack - (1 - r) baseline - r ceiling
    r = np.linspace(-3, 5, 80_001)
    inside = r[np.abs(gain - r * reach) <= stats.norm.ppf(0.975) * noise * np.sqrt(1 + (1 - r) ** 2 + r**2)]
    assert (found.low, found.high) == pytest.approx((inside.min(), inside.max()), abs=0.02)


def test_leaks_beyond_the_ceiling_or_below_the_baseline_are_shown_as_they_are():
    assert _leak(_drawn(0.95, 0.1, 0.9)).estimate.high > _leak(_drawn(0.95, 0.1, 0.9)).estimate.value > 1
    assert _leak(_drawn(0.05, 0.1, 0.9)).estimate.value < 0


@pytest.mark.parametrize(
    ("baseline", "ceiling", "reason"), [(0.50, 0.51, "may be equal"), (0.9, 0.2, "in the wrong order")]
)
def test_without_room_between_baseline_and_ceiling_the_index_is_undefined_and_says_why(baseline, ceiling, reason):
    found = _leak(_drawn(0.5, baseline, ceiling))
    assert found.estimate is None
    assert reason in found.reason


def test_baseline_and_ceiling_meet_the_same_people_as_the_attack():
    layout = CrossedDesign((0.4, 0.1, 0.9), classes=60, own_class_sd=0.0)
    attack, baseline, ceiling = layout.hits(np.random.default_rng(3))
    easy = np.argsort(ceiling[0].mean(1))

    def width(ceiling: np.ndarray) -> float:
        found = _leak(resample({"attack": attack, "baseline": baseline[:1], "ceiling": ceiling[:1]})).estimate
        return found.high - found.low

    shuffled = ceiling[:, np.random.default_rng(4).permutation(len(easy))]
    assert width(ceiling) != pytest.approx(width(shuffled), rel=0.01)
