"""Distances between two samples of features: known answers, direct computations, honest p-values."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.stats import ortho_group

from mi_tune.judging.features import (
    TwoSamples,
    energy_distance,
    neighbour_share,
    permutation_p,
    separability,
    squared_mmd,
)
from mi_tune.judging.features.table import mean_cosine
from mi_tune.runtime.errors import InputError

MEASURES = {
    "energy": energy_distance,
    "mmd": squared_mmd,
    "neighbours": neighbour_share,
    "separability": separability,
    "cosine": mean_cosine,
}
TESTED = ("energy", "mmd", "neighbours")


def normal(seed: int, *shape: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, shape)


def measured(name: str, samples: TwoSamples, seed: int = 0, count: int = 199):
    return MEASURES[name](samples, samples.regroupings(count, np.random.default_rng(seed)))


def mean_distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.mean([np.linalg.norm(x - y) for x in first for y in second]))


# --------------------------------------------------------------------------------------------------- known answers


def test_the_energy_distance_is_scipys_square_less_its_bias():
    x, y = normal(0, 7, 1), normal(1, 12, 1, shift=0.5)
    n, m = len(x), len(y)
    bias = mean_distance(x, x) / (n - 1) + mean_distance(y, y) / (m - 1)
    expected = stats.energy_distance(x[:, 0], y[:, 0]) ** 2 - bias
    assert energy_distance(TwoSamples(x, y)).value == pytest.approx(expected)


def test_the_energy_distance_of_large_samples_is_scipys_square():
    x, y = normal(0, 1000, 1), normal(1, 1000, 1, shift=1)
    assert energy_distance(TwoSamples(x, y)).value == pytest.approx(
        stats.energy_distance(x[:, 0], y[:, 0]) ** 2, rel=0.02
    )


def test_mmd_is_what_a_double_loop_gives():
    x, y = normal(0, 5, 3), normal(1, 7, 3, shift=0.4)
    rows = [*x, *y]
    apart = [np.linalg.norm(a - b) for i, a in enumerate(rows) for b in rows[i + 1 :]]
    bandwidth = float(np.median(apart))
    kernel = lambda a, b: math.exp(-float(np.sum((a - b) ** 2)) / (2 * bandwidth**2))  # noqa: E731
    within_x = [kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    within_y = [kernel(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j]
    between = [kernel(a, b) for a in x for b in y]
    expected = np.mean(within_x) + np.mean(within_y) - 2 * np.mean(between)
    assert squared_mmd(TwoSamples(x, y)).value == pytest.approx(expected)


def test_neighbours_are_those_that_brute_force_finds():
    x, y = normal(0, 8, 4), normal(1, 6, 4, shift=0.7)
    rows = [(tuple(row), 0) for row in x] + [(tuple(row), 1) for row in y]
    own = []
    for i, (row, label) in enumerate(rows):
        others = sorted((math.dist(row, other), their) for j, (other, their) in enumerate(rows) if j != i)
        own += [their == label for _, their in others[:3]]
    assert neighbour_share(TwoSamples(x, y)).value == pytest.approx(np.mean(own))


def test_the_expected_share_of_neighbours_is_what_random_groups_give():
    rows = normal(0, 20, 3)
    shares = []
    for seed in range(400):
        mixed = np.random.default_rng(seed).permutation(rows)
        shares.append(neighbour_share(TwoSamples(mixed[:6], mixed[6:])).value)
    assert neighbour_share(TwoSamples(rows[:6], rows[6:])).expected == pytest.approx(np.mean(shares), abs=0.01)


def refitted_auc(x: np.ndarray, y: np.ndarray, left_out: dict) -> float:
    """The probe fitted anew for every couple, with an intercept that is not penalised."""
    rows, target = np.concatenate([x, y]), np.array([-1.0] * len(x) + [1.0] * len(y))
    penalty = np.square(rows - rows.mean(0)).sum() / len(rows)
    wins = []
    for (first, second), out in left_out.items():
        kept = np.setdiff1d(np.arange(len(rows)), out)
        design = np.column_stack([np.ones(len(kept)), rows[kept]])
        weights = np.diag([0.0] + [penalty] * rows.shape[1])
        found = np.linalg.solve(design.T @ design + weights, design.T @ target[kept])
        score = found[0] + rows @ found[1:]
        wins.append(score[second] > score[first])
    return float(np.mean(wins))


def test_the_probe_in_closed_form_is_the_probe_fitted_anew_for_every_couple():
    x, y = normal(0, 5, 3), normal(1, 7, 3, shift=0.6)
    couples = {(i, 5 + j): [i, 5 + j] for i in range(5) for j in range(7)}
    assert separability(TwoSamples(x, y)).value == pytest.approx(refitted_auc(x, y, couples))


def test_the_probe_never_fits_on_a_twin_of_what_it_must_rank():
    x = normal(0, 6, 3)
    y = x + normal(1, 6, 3) * 0.5 + 0.3
    couples = {(i, 6 + j): [i, 6 + j, 6 + i, j] for i in range(6) for j in range(6) if i != j}
    assert separability(TwoSamples(x, y, paired=True)).value == pytest.approx(refitted_auc(x, y, couples))


def test_the_cosine_is_that_of_the_means():
    x, y = np.array([[1.0, 0.0], [3.0, 0.0]]), np.array([[1.0, 1.0]])
    assert mean_cosine(TwoSamples(x, y)).value == pytest.approx(math.cos(math.pi / 4))


# ------------------------------------------------------------------------------------ one distribution, and not one


@pytest.mark.parametrize("name", TESTED)
@pytest.mark.parametrize("paired", [False, True], ids=["unpaired", "paired"])
def test_p_values_of_one_distribution_are_below_any_level_about_that_often(name, paired):
    p_values = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        # twins resemble each other; a skewed distribution, for nothing here may need a normal one
        common = rng.exponential(size=(8, 4)) * (2 if paired else 0)
        x, y = common + rng.exponential(size=(8, 4)), common + rng.exponential(size=(8, 4))
        p_values.append(measured(name, TwoSamples(x, y, paired), seed, 99).p_value)
    p_values = np.array(p_values)
    for level in (0.05, 0.2, 0.5):
        # three standard errors of a share of 300; ties of the neighbours' few values keep it lower
        assert (p_values <= level).mean() <= level + 3 * math.sqrt(level * (1 - level) / 300)
    if name != "neighbours":
        assert p_values.mean() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(("name", "at_zero"), [("energy", 0.0), ("mmd", 0.0), ("separability", 0.5)])
@pytest.mark.parametrize("paired", [False, True], ids=["unpaired", "paired"])
def test_measures_of_one_distribution_are_as_expected_on_average(name, at_zero, paired):
    values = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        common = rng.normal(size=(6, 5)) * (2 if paired else 0)
        x, y = common + rng.normal(size=(6, 5)), common + rng.normal(size=(6, 5))
        values.append(MEASURES[name](TwoSamples(x, y, paired)).value)
    error = np.std(values) / math.sqrt(len(values))
    assert np.mean(values) == pytest.approx(at_zero, abs=3.5 * error)
    assert MEASURES[name](TwoSamples(normal(0, 6, 5), normal(1, 6, 5))).expected == at_zero


@pytest.mark.parametrize("name", TESTED)
@pytest.mark.parametrize("paired", [False, True], ids=["unpaired", "paired"])
def test_shifted_samples_are_told_apart(name, paired):
    x = normal(0, 12, 5)
    y = (x if paired else normal(1, 12, 5)) + normal(2, 12, 5) * 0.3 + 2
    found = measured(name, TwoSamples(x, y, paired))
    assert found.p_value <= 0.01
    assert found.value > found.expected
    assert separability(TwoSamples(x, y, paired)).value > 0.95


def test_distances_grow_with_the_shift():
    grown = [
        [MEASURES[name](TwoSamples(normal(0, 10, 4), normal(1, 10, 4, shift=s))).value for s in (0, 1, 3)]
        for name in MEASURES
    ]
    for name, values in zip(MEASURES, grown, strict=True):
        if name != "cosine":
            assert values[0] < values[1] <= values[2], name


def test_a_pairs_distance_is_that_of_independent_samples():
    # each image's view resembles the image; how far the two distributions are apart does not depend on that
    rng = np.random.default_rng(0)
    paired, independent = [], []
    for _ in range(400):
        x = rng.normal(size=(6, 3))
        paired.append(energy_distance(TwoSamples(x * 0.9 + 0.5, x, paired=True)).value)
        independent.append(energy_distance(TwoSamples(rng.normal(size=(6, 3)) * 0.9 + 0.5, x)).value)
    error = math.hypot(np.std(paired), np.std(independent)) / math.sqrt(400)
    assert np.mean(paired) == pytest.approx(np.mean(independent), abs=3 * error)


def test_a_copy_of_every_image_is_no_different_distribution():
    x = normal(0, 8, 5)
    samples = TwoSamples(x, x, paired=True)
    for name in TESTED:
        assert measured(name, samples).p_value == 1, name
    assert energy_distance(samples).value == pytest.approx(0)
    assert squared_mmd(samples).value == pytest.approx(0)
    assert separability(samples).value == 0.5


# -------------------------------------------------------------------------------------------------------- p-values


@pytest.mark.parametrize("name", TESTED)
def test_no_p_value_is_ever_zero(name):
    far = TwoSamples(normal(0, 10, 3), normal(1, 10, 3, shift=100))
    assert measured(name, far, count=99).p_value == pytest.approx(1 / 100, abs=0.011)
    assert measured(name, far, count=99).p_value >= 1 / 100


def test_a_p_value_counts_ties_that_differ_by_rounding():
    assert permutation_p(0.3, np.array([0.1 + 0.2, 0.3 - 1e-14, 0.2, 0.4])) == 4 / 5
    assert math.isnan(permutation_p(0.3, np.empty(0)))


def test_the_p_value_agrees_with_all_regroupings_enumerated():
    from itertools import combinations

    x, y = normal(0, 4, 2), normal(1, 5, 2, shift=0.8)
    rows = np.concatenate([x, y])
    whole = energy_distance(TwoSamples(x, y)).value
    values = []
    for chosen in combinations(range(9), 4):
        rest = np.setdiff1d(np.arange(9), chosen)
        values.append(energy_distance(TwoSamples(rows[list(chosen)], rows[rest])).value)
    exact = np.mean(np.array(values) >= whole - 1e-9)
    assert measured("energy", TwoSamples(x, y), count=4000).p_value == pytest.approx(exact, abs=0.03)


def test_regrouping_keeps_the_sizes_and_every_image_once_in_each_paired_sample():
    rng = np.random.default_rng(0)
    unpaired = TwoSamples(normal(0, 4, 2), normal(1, 7, 2)).regroupings(50, rng)
    assert (unpaired.sum(1) == 4).all()
    assert len(np.unique(unpaired, axis=0)) > 25
    paired = TwoSamples(normal(0, 6, 2), normal(1, 6, 2), paired=True).regroupings(50, rng)
    assert (paired[:, :6] ^ paired[:, 6:]).all()


# ---------------------------------------------------------------------------------------------------- invariances


@pytest.mark.parametrize("name", ["energy", "mmd", "neighbours", "separability"])
def test_measures_do_not_depend_on_place_direction_and_order(name):
    x, y = normal(0, 8, 5), normal(1, 6, 5, shift=0.5)
    value = MEASURES[name](TwoSamples(x, y)).value
    turn = ortho_group.rvs(5, random_state=0)
    assert MEASURES[name](TwoSamples(x @ turn + 3, y @ turn + 3)).value == pytest.approx(value)
    assert MEASURES[name](TwoSamples(x[::-1], y[::-1])).value == pytest.approx(value)
    assert MEASURES[name](TwoSamples(y, x)).value == pytest.approx(value)


@pytest.mark.parametrize("name", ["mmd", "neighbours", "separability", "cosine"])
def test_measures_without_a_unit_do_not_depend_on_the_scale(name):
    x, y = normal(0, 8, 5), normal(1, 6, 5, shift=0.5)
    found = [MEASURES[name](TwoSamples(x * s, y * s)).value for s in (1, 1000, 1e-4)]
    assert found == pytest.approx([found[0]] * 3)


def test_the_energy_distance_has_the_unit_of_the_features():
    x, y = normal(0, 8, 5), normal(1, 6, 5, shift=0.5)
    assert energy_distance(TwoSamples(x * 1e6, y * 1e6)).value == pytest.approx(
        1e6 * energy_distance(TwoSamples(x, y)).value
    )
    p_values = [measured("energy", TwoSamples(x * s, y * s)).p_value for s in (1, 1e6, 1e-6)]
    assert len(set(p_values)) == 1


# ---------------------------------------------------------------------------------------------------- small samples


@pytest.mark.parametrize(("name", "least"), [("energy", 2), ("mmd", 2), ("neighbours", 4), ("separability", 3)])
def test_samples_that_are_too_small_give_nothing_and_say_what_is_needed(name, least):
    small = MEASURES[name](TwoSamples(normal(0, least - 1, 4), normal(1, 9, 4)))
    assert math.isnan(small.value)
    assert f"needs {least} rows" in small.reason
    enough = MEASURES[name](TwoSamples(normal(0, least, 4), normal(1, 9, 4)))
    assert math.isfinite(enough.value)
    assert enough.reason == ""


def test_where_no_p_value_could_be_small_there_is_none():
    few = TwoSamples(normal(0, 5, 3), normal(1, 5, 3), paired=True)
    found = measured("energy", few)
    assert math.isfinite(found.value)
    assert math.isnan(found.p_value)
    assert "16 distinct regroupings, 20 needed" in found.reason
    assert math.isfinite(measured("energy", TwoSamples(normal(0, 6, 3), normal(1, 6, 3), paired=True)).p_value)
    assert math.isnan(measured("energy", TwoSamples(normal(0, 3, 3), normal(1, 3, 3))).p_value)
    assert math.isfinite(measured("energy", TwoSamples(normal(0, 3, 3), normal(1, 4, 3))).p_value)


def test_samples_in_one_point_are_not_apart():
    same = TwoSamples(np.ones((5, 3)), np.ones((6, 3)))
    for name in TESTED:
        assert measured(name, same).p_value == 1, name
    assert separability(same).value == 0.5


@pytest.mark.parametrize(
    ("first", "second", "paired", "culprit"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), False, "shapes"),
        (np.zeros((3, 2)), np.zeros((4, 2)), True, "equally many"),
        (np.full((3, 2), np.nan), np.zeros((3, 2)), False, "not finite"),
    ],
)
def test_samples_that_cannot_be_compared_are_refused_in_one_line(first, second, paired, culprit):
    with pytest.raises(InputError, match=culprit) as caught:
        TwoSamples(first, second, paired)
    assert "\n" not in str(caught.value)
