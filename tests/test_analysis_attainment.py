"""Fronts of noisy points against computations by hand and by counting."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.statistics.attainment import attainment_surfaces, front_probability, hypervolume_interval
from mi_tune.runtime.errors import InputError
from mi_tune.search.front import hypervolume

NATURAL, ATTACK = np.array([0.9, 0.8, 0.7]), np.array([0.6, 0.3, 0.5])


def _still(resamples: int = 10) -> tuple[np.ndarray, np.ndarray]:
    return np.tile(NATURAL, (resamples, 1)), np.tile(ATTACK, (resamples, 1))


def _noisy(noise: float, resamples: int, points: int, seed: int) -> np.ndarray:
    return np.clip(0.5 + noise * np.random.default_rng(seed).standard_normal((resamples, points)), 0, 1)


def test_without_noise_a_point_is_on_the_front_or_it_is_not():
    assert front_probability(*_still()).tolist() == [1, 1, 0]


def test_the_probability_of_the_front_is_that_of_not_being_beaten():
    natural = np.full((20_000, 2), 0.8)
    attack = np.random.default_rng(0).normal([0.5, 0.52], 0.02 / np.sqrt(2), (20_000, 2))
    # the difference has mean 0.02 and standard deviation 0.02
    assert front_probability(natural, attack) == pytest.approx([0.841, 0.159], abs=0.01)


def test_equal_points_share_the_front():
    assert front_probability(np.full((4, 2), 0.8), np.full((4, 2), 0.3)).tolist() == [1, 1]


def test_without_noise_the_hypervolume_is_the_area_by_hand():
    by_hand = 0.8 * 0.7 + 0.1 * 0.4
    assert hypervolume_interval((NATURAL, ATTACK), _still()) == pytest.approx((by_hand, by_hand, by_hand))


def test_the_luck_of_the_best_of_many_is_taken_out_of_the_hypervolume():
    truth, noise, points, studies = 0.9 * 0.5, 0.05, 10, 200
    attacks = _noisy(noise, studies, points, 1)
    natural = np.full((400, points), 0.9)
    around = noise * np.random.default_rng(2).standard_normal((400, points))
    drawn = [np.clip(a + around, 0, 1) for a in attacks]
    found = [hypervolume_interval((natural[0], a), (natural, d)) for a, d in zip(attacks, drawn, strict=True)]
    raw = np.mean([hypervolume(natural[0], a) for a in attacks]) - truth
    assert raw > 0.05
    assert abs(np.mean([one.value for one in found]) - truth) < 0.6 * raw
    held = np.mean([one.low <= truth <= one.high for one in found])
    # where all points are on the front only by luck, and a little of it stays
    assert held > 0.7
    percentiles = np.quantile([[hypervolume(natural[0], row) for row in d[:100]] for d in drawn[:50]], 0.025, axis=1)
    assert np.mean(percentiles <= truth) < 0.5 * held


def test_an_area_is_never_reported_outside_0_and_1():
    natural = _noisy(0.5, 200, 5, 3)
    found = hypervolume_interval((natural[0], natural[1]), (natural, _noisy(0.5, 200, 5, 4)))
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_without_noise_every_surface_is_the_staircase_of_the_front():
    for surface in attainment_surfaces(*_still()):
        assert surface.natural.tolist() == [0, 0.8, 0.8, 0.9, 0.9]
        assert surface.attack.tolist() == [0.3, 0.3, 0.6, 0.6, 1.0]


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95])
def test_a_surface_parts_what_so_many_draws_attain_from_what_fewer_do(level):
    rng = np.random.default_rng(5)
    natural, attack = (rng.normal([0.9, 0.8, 0.6], 0.03, (100, 3)), rng.normal([0.7, 0.4, 0.1], 0.04, (100, 3)))
    natural, attack = natural.clip(0, 1).round(3), attack.clip(0, 1).round(3)
    (surface,) = attainment_surfaces(natural, attack, [level])
    for n, a in rng.random((500, 2)):
        by_counting = ((natural >= n) & (attack <= a)).any(1).mean() >= level
        # on the staircase, the attack accuracy at n is that of its first corner at or right of n
        right = surface.natural >= n
        by_surface = bool(right.any()) and a >= surface.attack[right].min()
        assert by_counting == by_surface


def test_of_few_draws_the_last_one_counts_too():
    natural, attack = np.full((10, 1), 0.5), np.full((10, 1), 0.5)
    natural[-1] = 0.9
    (surface,) = attainment_surfaces(natural, attack, [0.1])
    assert surface.natural.max() == 0.9


def test_surfaces_lie_within_each_other():
    natural, attack = _noisy(0.1, 300, 6, 6), _noisy(0.1, 300, 6, 7)
    areas = [hypervolume(surface.natural[:-1], surface.attack[:-1]) for surface in attainment_surfaces(natural, attack)]
    assert areas[0] > areas[1] > areas[2]


def test_a_surface_of_many_draws_stays_short_enough_to_draw():
    natural, attack = _noisy(0.1, 5000, 20, 8), _noisy(0.1, 5000, 20, 9)
    assert max(len(surface.natural) for surface in attainment_surfaces(natural, attack)) < 2500


@pytest.mark.parametrize("shapes", [((5, 2), (5, 3)), ((5,), (5,)), ((0, 2), (0, 2))])
def test_draws_of_different_points_are_refused(shapes):
    natural, attack = (np.zeros(shape) for shape in shapes)
    for use in (front_probability, attainment_surfaces):
        with pytest.raises(InputError, match="same draws"):
            use(natural, attack)


def test_a_level_that_is_no_share_is_refused():
    with pytest.raises(InputError, match="levels"):
        attainment_surfaces(*_still(), levels=[5])
