"""The journal: what is asked, told, left open, and found again. No Ray."""

import math

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.runtime.errors import InputError
from mi_tune.search.front import front_mask, hypervolume
from mi_tune.search.samplers import SAMPLERS, check_sampler
from mi_tune.setup import SearchSetup, Space
from mi_tune.study.journal import StudyJournal
from mi_tune.trial.table import COLUMNS

SPACE = Space(probability=(0.0, 1.0), area_low=(0.02, 0.7), area_span=(0.0, 0.7), aspect_max=(1.0, 3.3))


def search(**changes) -> SearchSetup:
    return SearchSetup(**{"trials": 10, "startup": 2, "sampler": "random", "repeats": 0, "space": SPACE} | changes)


def open_journal(folder, seed=0, references=True, **changes) -> StudyJournal:
    return StudyJournal(folder / "journal.log", "study", search(**changes), seed, 30, references)


def record(natural=0.9, attack=0.5) -> dict:
    return {"natural_accuracy": natural, "attack_accuracy": attack, "seconds": 1.0}


def objective(law) -> dict:
    """A noisy trade-off of this shape: erasing more costs accuracy and buys privacy."""
    strength = law.probability * (law.area[0] + law.area[1]) / 2
    return record(0.98 - 0.25 * strength**2, 0.95 - 0.7 * strength)


def run(journal) -> None:
    while (asked := journal.ask()) is not None:
        journal.tell(asked.number, "complete", objective(asked.law))


def test_the_reference_points_come_first_and_then_the_search(tmp_path):
    journal = open_journal(tmp_path)
    run(journal)
    table = journal.table()
    assert table.reference.tolist()[:4] == list(REFERENCE_LAWS)
    assert (table.reference[4:] == "").all()
    assert table.trial.tolist() == list(range(10))
    assert list(table.columns) == COLUMNS
    assert journal.ask() is None


def test_complete_failed_and_infeasible_are_three_things_to_optuna(tmp_path):
    journal = open_journal(tmp_path, references=False, min_accuracy=0.8, min_accuracy_kept=None)
    states = [("complete", record()), ("failed", {"reason": "loss is nan"}), ("infeasible", {"natural_accuracy": 0.3})]
    for state, result in states:
        assert journal.tell(journal.ask().number, state, result) == state
    complete, failed, infeasible = journal.main.trials
    assert complete.state == infeasible.state == TrialState.COMPLETE
    assert failed.state == TrialState.FAIL
    assert all(v <= 0 for v in complete.constraints.values())
    assert all(v > 0 for v in infeasible.constraints.values())
    assert [t.number for t in journal.main.best_trials] == [0]


def test_an_infeasible_trial_is_never_told_as_private(tmp_path):
    journal = open_journal(tmp_path, references=False, min_accuracy=0.8)
    journal.tell(journal.ask().number, "infeasible", {"natural_accuracy": 0.1})
    (trial,) = journal.main.trials
    assert trial.values == [0.1, 1.0]
    assert trial.user_attrs["attack_accuracy_told_not_measured"]
    assert math.isnan(journal.table().attack_accuracy[0])


@pytest.mark.parametrize("bad", [math.nan, math.inf, None])
def test_an_objective_that_is_not_a_number_fails_the_trial_with_its_reason(tmp_path, bad):
    journal = open_journal(tmp_path, references=False)
    assert journal.tell(journal.ask().number, "complete", record(attack=bad)) == "failed"
    assert "attack_accuracy" in journal.table().reason[0]
    assert journal.main.trials[0].state == TrialState.FAIL


def test_the_floor_follows_the_undefended_accuracy(tmp_path):
    journal = open_journal(tmp_path, min_accuracy_kept=0.8)
    undefended = journal.ask()
    assert undefended.floor is None
    journal.tell(undefended.number, "complete", record(natural=0.9))
    references = [journal.ask() for _ in range(3)]
    assert all(r.floor is None for r in references)  # everybody wants to see them attacked
    assert journal.ask().floor == pytest.approx(0.72)


def test_a_trial_that_was_faster_than_the_floor_is_held_against_it_later(tmp_path):
    journal = open_journal(tmp_path, min_accuracy_kept=0.8)
    asked = [journal.ask() for _ in range(6)]
    journal.tell(asked[4].number, "complete", record(natural=0.5, attack=0.01))
    journal.tell(asked[5].number, "complete", record(natural=0.89, attack=0.4))
    assert {t.state for t in journal.main.trials} == {TrialState.RUNNING}
    journal.tell(asked[0].number, "complete", record(natural=0.9, attack=0.9))
    table = journal.table()
    assert table.state[4] == "infeasible"
    assert table.state[5] == "complete"
    assert [t.user_attrs["trial"] for t in journal.main.best_trials] == [0, 5]


def test_what_was_over_but_not_yet_told_is_told_after_a_crash(tmp_path):
    journal = open_journal(tmp_path)
    asked = [journal.ask() for _ in range(6)]
    journal.tell(asked[5].number, "complete", record())
    del journal  # the process ends here
    again = open_journal(tmp_path)
    assert again.table().state[5] == "complete"
    for _ in range(5):
        again.tell(again.ask().number, "complete", record())
    assert [t.state for t in again.main.trials] == [TrialState.COMPLETE] * 6


def test_open_trials_are_handed_out_again_under_their_number_with_their_law(tmp_path):
    journal = open_journal(tmp_path)
    asked = [journal.ask() for _ in range(7)]
    for a in asked[:3]:
        journal.tell(a.number, "complete", record())
    del journal
    again = open_journal(tmp_path)
    assert again.remaining() == 7
    for old in asked[3:]:
        new = again.ask()
        assert (new.number, new.law, new.reference, new.again) == (old.number, old.law, old.reference, True)
    run(again)
    states = [t.state for t in again.main.trials]
    assert len(states) == 10
    # the four that were open are still open here: nobody told them
    assert states.count(TrialState.RUNNING) == 4


def test_a_crash_between_asking_and_writing_down_loses_no_trial(tmp_path):
    journal = open_journal(tmp_path, references=False)
    journal.tell(journal.ask().number, "complete", record())
    journal.main.ask(journal.space)  # asked, and nothing else written
    again = open_journal(tmp_path, references=False)
    assert again.ask().number == 1
    assert again.remaining() == 8


def test_references_outside_the_space_are_trials_that_the_sampler_does_not_model(tmp_path):
    narrow = Space(probability=(0.5, 1.0), fill=["mean"])
    journal = open_journal(tmp_path, sampler="gp", startup=2, trials=9, space=narrow)
    run(journal)
    assert len(journal.table()) == 9
    assert len(journal.main.trials) == 5
    assert len(journal.aside.trials) == 4
    assert journal.floor() == pytest.approx(0.8 * 0.98)


def test_more_trials_can_be_asked_for_later_and_repeat_none(tmp_path):
    run(open_journal(tmp_path, trials=8, sampler="qmc"))
    run(open_journal(tmp_path, trials=14, sampler="qmc"))
    table = open_journal(tmp_path, trials=14, sampler="qmc").table()
    assert len(table) == 14
    searched = table[table.reference == ""]
    assert searched[["probability", "area_low", "aspect_high"]].duplicated().sum() == 0


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_a_resumed_search_does_not_rewind_its_random_draws(tmp_path, sampler):
    run(open_journal(tmp_path, trials=10, sampler=sampler, references=False, startup=1))
    run(open_journal(tmp_path, trials=20, sampler=sampler, references=False, startup=1))
    table = open_journal(tmp_path, trials=20, sampler=sampler).table()
    assert table.area_low.duplicated().sum() <= (5 if sampler == "nsga2" else 0)  # NSGA-II keeps genes of parents


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_runs_with_floor_failures_and_open_trials(tmp_path, sampler):
    journal = open_journal(tmp_path, trials=14, sampler=sampler, startup=3)
    waiting = []
    for step in range(14):
        asked = journal.ask()
        if step == 6:
            journal.tell(asked.number, "failed", {"reason": "test"})
        elif step == 8:
            journal.tell(asked.number, "infeasible", {"natural_accuracy": 0.2})
        elif step in (9, 10):
            waiting.append(asked)
        else:
            journal.tell(asked.number, "complete", objective(asked.law))
    for asked in waiting:
        journal.tell(asked.number, "complete", objective(asked.law))
    assert journal.table().state.value_counts().to_dict() == {"complete": 12, "failed": 1, "infeasible": 1}


def test_the_start_is_a_scrambled_sobol_sequence_over_all_parameters(tmp_path):
    journal = open_journal(tmp_path, trials=16, startup=16, sampler="gp", references=False)
    run(journal)
    table = journal.table()
    # one point in each sixteenth of each axis: what random draws do with a chance of 16!/16^16
    assert sorted(np.floor(table.probability * 16).astype(int)) == list(range(16))
    assert sorted(np.floor((table.area_low - 0.02) / 0.68 * 16).astype(int)) == list(range(16))
    other = open_journal(
        tmp_path / "other" if (tmp_path / "other").mkdir() is None else tmp_path,
        seed=1,
        trials=16,
        startup=16,
        sampler="gp",
        references=False,
    )
    run(other)
    assert not np.allclose(sorted(table.probability), sorted(other.table().probability))


def test_the_model_searches_better_than_chance(tmp_path):
    reached = {}
    for sampler in ("gp", "random"):
        (tmp_path / sampler).mkdir()
        volumes = []
        for seed in range(2):
            folder = tmp_path / sampler / str(seed)
            folder.mkdir()
            journal = open_journal(folder, seed, False, trials=20, startup=8, sampler=sampler)
            run(journal)
            table = journal.table()
            volumes.append(hypervolume(table.natural_accuracy.to_numpy(), table.attack_accuracy.to_numpy()))
        reached[sampler] = np.mean(volumes)
    assert reached["gp"] > reached["random"]


def test_the_journal_is_an_optuna_study_that_others_can_read(tmp_path):
    run(open_journal(tmp_path))
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal.log")))
    study = optuna.load_study(study_name="study", storage=storage)
    assert study.metric_names == ["natural_accuracy", "attack_accuracy"]
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert len(study.trials) == 10


def test_an_unknown_sampler_is_one_line_with_near_names():
    with pytest.raises(InputError, match="nsga2"):
        check_sampler("nsgaii")


def test_the_front_is_what_nothing_dominates():
    rng = np.random.default_rng(0)
    natural, attack = rng.integers(0, 8, 60) / 8, rng.integers(0, 8, 60) / 8
    expected = [
        not any((n >= a and k <= b) and (n > a or k < b) for n, k in zip(natural, attack, strict=True))
        for a, b in zip(natural, attack, strict=True)
    ]
    assert front_mask(natural, attack).tolist() == expected
    # area under a staircase, by hand: (0.5, 0.2) and (0.9, 0.6) against (0, 1)
    assert hypervolume(np.array([0.5, 0.9, 0.4]), np.array([0.2, 0.6, 0.9])) == pytest.approx(0.5 * 0.8 + 0.4 * 0.4)


# -------------------------------------------------------------------------------------------------------- repeats


def repeated(folder, trials=60, seed=0, natural_noise=0.0):
    """A study of noisy trials that runs laws again."""
    journal, rng = open_journal(folder, seed, trials=trials, repeats=0.25), np.random.default_rng(seed)
    while (asked := journal.ask()) is not None:
        found = objective(asked.law)
        found["natural_accuracy"] = min(1.0, found["natural_accuracy"] + natural_noise * rng.standard_normal())
        found["attack_accuracy"] = float(np.clip(found["attack_accuracy"] + 0.05 * rng.standard_normal(), 0, 1))
        journal.tell(asked.number, "complete", found)
    return journal


def test_a_quarter_of_the_trials_run_laws_near_the_front_again(tmp_path):
    journal = repeated(tmp_path)
    table = journal.table().set_index("trial")
    again = table[table.repeat_of.notna()]
    assert 8 <= len(again) <= 15
    for number, row in again.iterrows():
        first = table.loc[row.repeat_of]
        assert first.repeat_of != first.repeat_of, "a repeat names the first run"
        assert number > row.repeat_of
        assert (row.probability, row.area_low, row.fill) == (first.probability, first.area_low, first.fill)
    once = table[table.repeat_of.isna()]
    natural, attack, _ = journal.repeats.means()
    assert len(natural) == len(once)
    mask = front_mask(natural, attack)
    # what is run again is rather what seems to be on the front
    runs = journal.repeats.means()[2]
    assert runs[mask].mean() > runs[~mask].mean()


def test_many_workers_do_not_all_run_laws_again_once_the_first_have_been_measured(tmp_path):
    journal = open_journal(tmp_path, trials=400, repeats=0.25)
    out = [journal.ask() for _ in range(40)]
    again = []
    for _ in range(3):
        for asked in out:
            journal.tell(asked.number, "complete", objective(asked.law))
        out = [journal.ask() for _ in range(40)]
        again.append(sum(asked.repeat > 0 for asked in out))
    over = 40
    for k, count in enumerate(again):
        assert sum(again[: k + 1]) <= 0.25 * over
        assert count > 0
        over += 40


def test_every_run_of_a_law_has_another_number_also_after_a_restart(tmp_path):
    journal = repeated(tmp_path, trials=30)
    before = journal.repeats.means()
    journal = open_journal(tmp_path, trials=90, repeats=0.8)
    for one, other in zip(before, journal.repeats.means(), strict=True):
        assert np.array_equal(one, other)
    while (asked := journal.ask()) is not None:
        journal.tell(asked.number, "complete", objective(asked.law))
    numbers = [t.user_attrs.get("repeat", 0) for t in journal.main.trials]
    assert max(numbers) >= 2
    by_first = {}
    for trial in journal.main.trials:
        first = trial.user_attrs.get("repeat_of", trial.user_attrs["trial"])
        by_first.setdefault(first, []).append(trial.user_attrs.get("repeat", 0))
    assert all(sorted(numbers) == list(range(len(numbers))) for numbers in by_first.values())


def test_a_repeat_that_was_left_open_is_handed_out_again_as_the_same_repeat(tmp_path):
    journal = repeated(tmp_path, trials=20)
    journal = open_journal(tmp_path, trials=60, repeats=0.25)
    while (asked := journal.ask()).repeat == 0:
        journal.tell(asked.number, "complete", objective(asked.law))
    again = open_journal(tmp_path, trials=60, repeats=0.25).ask()
    assert again.again
    assert (again.number, again.repeat, again.law, again.floor) == (asked.number, asked.repeat, asked.law, None)


def test_no_law_is_run_again_where_that_was_not_asked_for(tmp_path):
    journal = open_journal(tmp_path, trials=40)
    run(journal)
    assert journal.table().repeat_of.isna().all()


def test_a_repeat_below_the_floor_counts_all_the_same(tmp_path):
    journal = open_journal(tmp_path, references=False, trials=60, repeats=0.5, min_accuracy=0.9, min_accuracy_kept=None)
    while (asked := journal.ask()) is not None:
        state = journal.tell(asked.number, "complete", record(0.85 if asked.repeat else 0.95, 0.5))
        assert state == "complete"
    assert journal.table().repeat_of.notna().any()
