"""Several runs of a law as one row, and what a model of all trials expects of laws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic_study import DEFAULT, trial, write_study
from synthetic_table import true_accuracies

from analysis.pages import headline, write_report
from analysis.statistics import Study, load_study
from analysis.statistics.recommendation import difference, recommend
from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw
from mi_tune.judging.intervals import class_interval
from mi_tune.search.expectation import MIN_TRIALS_FOR_MODEL, expected
from mi_tune.search.samplers import sobol_points
from mi_tune.search.space import distributions, law_from
from mi_tune.setup import Space
from mi_tune.trial.laws import laws_of
from mi_tune.trial.table import table_of, with_added_columns

SPACE = Space(probability=(0.0, 1.0), area_low=(0.02, 0.7), area_span=(0.0, 0.6), aspect_max=(1.0, 3.3))


def repeat(number: int, of: int, natural: float, attack: float, **more) -> dict:
    law = ErasingLaw.from_dict(DEFAULT[of]["law"])
    return trial(number, natural, attack, law=law, repeat_of=of, floor=None, **more)


def test_runs_of_a_law_are_one_row_of_means_and_sums(tmp_path):
    study = load_study(write_study(tmp_path / "s", [*DEFAULT, repeat(7, 2, 0.88, 0.70), repeat(8, 2, 0.90, 0.65)]))
    assert study.trials.trial.tolist() == list(range(7))
    assert study.runs.trial.tolist() == list(range(9))
    row = study.trials.loc[2]
    assert row.runs == 3
    assert row.natural_accuracy == pytest.approx((0.92 + 0.88 + 0.90) / 3)
    assert row.attack_accuracy == pytest.approx((0.60 + 0.70 + 0.65) / 3)
    assert row.seconds == 90 and row.forward_passes == 3000
    assert study.trials.runs.loc[[3, 5, 6]].tolist() == [1, 0, 0]


def test_the_interval_of_several_runs_is_that_of_their_classes_averaged(tmp_path):
    folder = write_study(tmp_path / "s", [*DEFAULT, repeat(7, 2, 0.88, 0.70)])
    study = load_study(folder)
    one, other = (pd.read_csv(folder / f"trials/{k:04d}/per_class.csv") for k in (2, 7))
    mean = (one.attack_accuracy.to_numpy() + other.attack_accuracy.to_numpy()) / 2
    row = study.trials.loc[2]
    assert (row.attack_accuracy_low, row.attack_accuracy_high) == pytest.approx(class_interval(mean)[1:])
    assert study.per_class(2).attack_accuracy.to_numpy() == pytest.approx(mean)
    # and comparisons of laws use the mean too
    assert difference(study, 2, 0, "attack_accuracy").value == pytest.approx(
        mean.mean() - study.per_class(0).attack_accuracy.mean()
    )


def test_a_lucky_first_run_leaves_the_front_when_the_law_is_run_again(tmp_path):
    assert 2 in load_study(write_study(tmp_path / "once")).front.index
    unlucky = [*DEFAULT, repeat(7, 2, 0.92, 0.90), repeat(8, 2, 0.92, 0.90)]
    assert 2 not in load_study(write_study(tmp_path / "thrice", unlucky)).front.index


def test_a_law_whose_mean_is_below_the_floor_is_infeasible(tmp_path):
    study = load_study(write_study(tmp_path / "s", [*DEFAULT, repeat(7, 4, 0.30, 0.20)]))
    row = study.trials.loc[4]
    assert row.state == "infeasible" and "mean natural accuracy of 2 runs" in row.reason
    assert 4 not in study.complete.index


def test_failed_and_open_repeats_change_nothing(tmp_path):
    plain = load_study(write_study(tmp_path / "plain"))
    failed = {**repeat(7, 2, 0.1, 0.1), "state": "failed", "natural_accuracy": np.nan, "attack_accuracy": np.nan}
    study = load_study(write_study(tmp_path / "s", [*DEFAULT, failed]))
    assert study.trials.loc[2, "attack_accuracy"] == plain.trials.loc[2, "attack_accuracy"]
    assert study.per_class(2).equals(plain.per_class(2))


def test_a_table_of_an_older_version_has_no_repeats(tmp_path):
    table = table_of(DEFAULT).drop(columns="repeat_of")
    laws = laws_of(with_added_columns(table), tmp_path)
    assert laws.runs.tolist() == [1, 1, 1, 1, 1, 0, 0]


# ---------------------------------------------------------------------------------------------------- expectation


def noisy(count: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """A table of Sobol laws with noisy accuracies, no defence first, and the true attack accuracies."""
    rng = np.random.default_rng(seed)
    laws = [REFERENCE_LAWS["no defence"]]
    laws += [law_from(SPACE, p) for p in sobol_points(distributions(SPACE), 5, 0, count - 1)]
    records, truth = [], []
    for number, law in enumerate(laws):
        natural, _, attack = true_accuracies(law)
        truth.append(attack)
        seen = np.clip([natural[2] + 0.01 * rng.standard_normal(), attack + 0.08 * rng.standard_normal()], 0, 1)
        records.append(trial(number, *map(float, seen), law=law, reference="" if number else "no defence"))
    return table_of(records), np.array(truth)


def test_a_model_of_all_trials_is_nearer_to_the_truth_than_single_measurements(tmp_path):
    errors = []
    for seed in range(4):
        runs, truth = noisy(40, seed)
        laws = laws_of(runs, tmp_path)
        found = expected(runs, laws, SPACE)
        assert found.modelled.all()
        errors.append([np.mean((t.attack_accuracy.to_numpy() - truth) ** 2) for t in (found, laws)])
    modelled, measured = np.sqrt(np.mean(errors, axis=0))
    assert modelled < 0.85 * measured


def test_few_trials_and_laws_outside_the_space_keep_what_was_measured(tmp_path):
    runs, _ = noisy(MIN_TRIALS_FOR_MODEL - 1)
    laws = laws_of(runs, tmp_path)
    found = expected(runs, laws, SPACE)
    assert not found.modelled.any() and (found.attack_accuracy == laws.attack_accuracy).all()
    runs, _ = noisy(30)
    narrow = SPACE.model_copy(update={"probability": (0.5, 1.0)})
    found = expected(runs, laws_of(runs, tmp_path), narrow)
    inside = runs.probability >= 0.5
    assert (found.modelled == inside).all()
    assert (found.attack_accuracy[~inside] == runs.attack_accuracy[~inside]).all()


def modelled_study(folder, runs: pd.DataFrame, changes: dict[int, dict]) -> Study:
    """`runs` with `changes` of some trials, as a study of SPACE."""
    records = [row | {"law": _law(row)} | changes.get(row["trial"], {}) for row in runs.to_dict("records")]
    return load_study(write_study(folder, records, search={"space": SPACE.model_dump(mode="json")}))


def test_the_law_to_train_with_is_the_best_by_expectation_and_its_luck_is_not_believed(tmp_path):
    runs, truth = noisy(40)
    lucky = int(np.argsort(truth)[len(truth) // 2])
    study = modelled_study(tmp_path / "s", runs, {lucky: {"attack_accuracy": min(truth) - 0.05}})
    found = recommend(study, 0.2)
    assert study.complete.attack_accuracy.idxmin() == lucky
    assert found.trial != lucky
    assert truth[found.trial] < truth[lucky] - 0.1


def test_a_law_that_is_within_the_loss_by_expectation_alone_is_shown_with_what_was_measured(tmp_path):
    runs, _ = noisy(40, seed=3)
    best = recommend(modelled_study(tmp_path / "even", runs, {}), 0.05).trial
    unlucky = runs.natural_accuracy[0] - 0.056  # further below no defence than allowed
    study = modelled_study(tmp_path / "unlucky", runs, {best: {"natural_accuracy": unlucky}})
    found = recommend(study, 0.05)
    chance, measured = study.expected.loc[best], study.complete.loc[best]
    assert found.trial == best and found.costs_more
    assert found.expected.natural_loss == pytest.approx(study.expected.natural_accuracy[0] - chance.natural_accuracy)
    assert found.expected.natural_loss <= 0.05 < 0.056 == pytest.approx(-found.natural_change.value)
    text = headline(study)
    for part in ("chosen by a model that is fitted to all trials", "points lost", "Measured"):
        assert part in text
    for value in (chance.natural_accuracy, chance.attack_accuracy, unlucky, measured.attack_accuracy):
        assert f"{value:.1%}" in text
    assert "measured loss is significantly larger than allowed" in write_report(study.folder).read_text()


def _law(row: dict) -> dict:
    return ErasingLaw(
        row["probability"],
        (row["area_low"], row["area_high"]),
        (row["aspect_low"], row["aspect_high"]),
        row["location"],
        row["fill"],
        int(row["count"]),
        int(row["clean_epochs"]),
    ).to_dict()
