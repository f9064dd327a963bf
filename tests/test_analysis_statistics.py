"""Records and statistics of a study whose numbers are known."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_study import DEFAULT, trial, write_study

from analysis.statistics import load_study
from analysis.statistics.recommendation import difference, hypervolume_history, recommend
from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.runtime.errors import InputError
from mi_tune.search.front import front_mask, hypervolume


@pytest.fixture
def study(tmp_path):
    return load_study(write_study(tmp_path / "known"))


def test_the_front_holds_only_complete_trials_that_no_other_dominates(study):
    assert study.front.trial.tolist() == [0, 1, 2, 4]


def test_an_infeasible_trial_is_never_on_the_front_though_its_attack_found_little(tmp_path):
    records = [*DEFAULT[:3], trial(3, 0.5, 0.01, "infeasible")]
    assert load_study(write_study(tmp_path / "s", records)).front.trial.tolist() == [0, 1, 2]


def test_the_hypervolume_grows_to_the_area_computed_by_hand(study):
    history = hypervolume_history(study)
    # strips of the union of rectangles from (0, 1): width times the height reached there
    by_hand = 0.80 * 0.70 + (0.92 - 0.80) * 0.40 + (0.94 - 0.92) * 0.30 + (0.95 - 0.94) * 0.10
    assert history.hypervolume.iloc[-1] == pytest.approx(by_hand)
    assert history.hypervolume.iloc[0] == pytest.approx(0.95 * 0.10)
    assert (history.hypervolume.diff().dropna() >= 0).all()
    assert history.finished.tolist() == [1, 2, 3, 4, 5]
    assert history.minutes.tolist() == [1, 2, 3, 4, 5]


points = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12)


@given(points)
def test_front_and_hypervolume_agree_with_a_direct_computation(cloud):
    natural, attack = np.array(cloud).T
    dominated = [
        any((n2 >= n and a2 <= a) and (n2 > n or a2 < a) for n2, a2 in cloud)
        for n, a in cloud
    ]  # fmt: skip
    assert front_mask(natural, attack).tolist() == [not d for d in dominated]
    steps = sorted({0.0, *natural.tolist()})
    area = sum((high - low) * (1 - min(a for n, a in cloud if n >= high)) for low, high in pairwise(steps))
    assert hypervolume(natural, attack) == pytest.approx(area, abs=1e-9)


@pytest.mark.parametrize(("loss", "expected"), [(0.0, 0), (0.01, 1), (0.03, 2), (0.10, 2), (0.15, 4), (1.0, 4)])
def test_the_recommended_law_has_the_least_attack_accuracy_within_the_loss(study, loss, expected):
    assert recommend(study, loss).trial == expected


def test_a_recommendation_says_how_it_differs_from_no_defence_with_an_interval(study):
    found = recommend(study, 0.03)
    assert found.attack_change.value == pytest.approx(-0.30)
    assert found.attack_change.low < -0.30 < found.attack_change.high < 0
    assert found.helps
    assert found.natural_change.value == pytest.approx(-0.03)


def test_a_law_as_weak_as_no_defence_is_said_to_be_indistinguishable(tmp_path):
    records = [DEFAULT[0], trial(1, 0.95, 0.895)]
    found = recommend(load_study(write_study(tmp_path / "s", records)), 0.05)
    assert found.trial == 1
    assert found.helps is False


def test_laws_that_cannot_be_told_apart_from_the_recommended_one_are_named(tmp_path):
    records = [DEFAULT[0], trial(1, 0.94, 0.50), trial(2, 0.94, 0.505), trial(3, 0.94, 0.80)]
    assert recommend(load_study(write_study(tmp_path / "s", records)), 0.05).equals == (2,)


def test_without_accuracies_per_class_nothing_is_claimed(tmp_path):
    found = recommend(load_study(write_study(tmp_path / "s", per_class=False)), 0.03)
    assert found.trial == 2
    assert found.helps is None
    assert found.attack_change is None


def test_there_is_no_recommendation_without_an_undefended_trial(tmp_path):
    assert recommend(load_study(write_study(tmp_path / "s", DEFAULT[1:])), 0.05) is None


def test_a_difference_is_paired_by_class(study):
    # both trials spread over the same classes in the same way, so that their natural accuracies differ by a constant
    paired = difference(study, 2, 0, "natural_accuracy")
    assert paired.low == pytest.approx(paired.high) == pytest.approx(-0.03)


def test_laws_are_read_back_with_the_mean_fill_as_numbers(study):
    assert study.law(1) == REFERENCE_LAWS["MIDRE(0.1, 0.4)"]
    assert study.law(2).fill == (0.45,)


def test_damaged_or_missing_artefacts_are_absent_not_fatal(study):
    (study.folder / "trials/0001/history.json").write_text("{")
    (study.folder / "trials/0001/reconstructions.npz").write_bytes(b"PK\x03\x04 cut")
    (study.folder / "trials/0002/per_class.csv").unlink()
    assert study.history(1) is None
    assert study.faces(1) is None
    assert study.per_class(2) is None
    assert study.history(6) is None


def _without(name: str):
    return lambda folder: (folder / name).unlink()


def _text(name: str, text: str):
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("harm", "culprit"),
    [
        (_without("study.yaml"), "study.yaml"),
        (_without("trials.parquet"), "trials.parquet"),
        (_text("study.yaml", "a: [1"), "cannot be read"),
        (_text("study.yaml", "just text"), "cannot be read"),
        (_text("trials.parquet", "not parquet"), "cannot be read"),
    ],
)
def test_a_folder_that_is_not_a_study_is_refused_by_name(tmp_path, harm, culprit):
    folder = write_study(tmp_path / "known")
    harm(folder)
    with pytest.raises(InputError, match=culprit) as caught:
        load_study(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="no such folder"):
        load_study(Path("no/such/place"))
