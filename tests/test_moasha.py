"""Multi-objective successive halving: the order of points, who goes on, and what is remembered."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_tune.runtime.errors import InputError
from mi_tune.search.halving import ORDERS, Halving, RungResults, RungSchedule, best_first, ranks


@pytest.mark.parametrize("order", ORDERS)
def test_ranks_are_places_and_not_the_indices_that_sort(order):
    # three points, each dominated by the next better: a sorted order read as ranks would be [1, 2, 0]
    losses = np.array([[3.0, 3.0], [1.0, 1.0], [2.0, 2.0]])
    assert best_first(losses, order).tolist() == [1, 2, 0]
    assert ranks(losses, order).tolist() == [2, 0, 1]


def test_the_net_takes_the_point_nearest_the_corner_and_then_the_farthest():
    # on one front; the second objective has a thousand times the range of the first
    losses = np.array([[0.0, 1000.0], [0.1, 800.0], [0.3, 300.0], [0.4, 250.0], [1.0, 0.0]])
    # scaled: (0, 1), (.1, .8), (.3, .3), (.4, .25), (1, 0); nearest to (0, 0) is number 2, of the rest 0 and 4 are the
    # farthest, with 4 at 0.58 and 0 at 0.58 + 0.00; then by hand
    scaled = losses / [1, 1000]
    first = int(np.argmin((scaled**2).sum(1)))
    chosen = [first]
    while len(chosen) < 5:
        rest = [k for k in range(5) if k not in chosen]
        chosen.append(max(rest, key=lambda k: min(np.hypot(*(scaled[k] - scaled[c])) for c in chosen)))
    assert first == 2
    assert best_first(losses, "net").tolist() == chosen
    assert set(chosen[:3]) == {0, 2, 4}


def test_the_hypervolume_order_takes_what_adds_most():
    losses = np.array([[0.0, 1.0], [0.02, 0.98], [0.4, 0.4], [1.0, 0.0]])
    order = best_first(losses, "hypervolume").tolist()
    # alone against (1.1, 1.1): 0.11, 0.1296, 0.49, 0.11; beside number 2 the ends add 0.04 and number 1 adds 0.0456
    assert order[:2] == [2, 1]


points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=20)


@pytest.mark.parametrize("order", ORDERS)
@settings(max_examples=60, deadline=None)
@given(points)
def test_nothing_comes_before_what_dominates_it(order, values):
    losses = np.array(values, dtype=float)
    place = ranks(losses, order)
    assert sorted(place) == list(range(len(values)))
    for a in range(len(values)):
        for b in range(len(values)):
            if (losses[a] <= losses[b]).all() and (losses[a] < losses[b]).any():
                assert place[a] < place[b]


@settings(max_examples=40, deadline=None)
@given(points, st.floats(0.01, 100), st.floats(-5, 5))
def test_the_order_does_not_depend_on_the_unit_of_an_objective(values, scale, shift):
    losses = np.array(values, dtype=float)
    assert best_first(losses * [scale, 1] + [shift, 0]).tolist() == best_first(losses).tolist()


def test_the_first_go_on_and_then_one_in_three():
    rungs = RungResults(("max", "min"), reduction=3)
    assert rungs.record(0, 0, [0.5, 0.5])
    assert rungs.record(1, 0, [0.4, 0.6])  # fewer than three have come: nobody can be told apart yet
    assert not rungs.record(2, 0, [0.3, 0.7])
    assert rungs.record(3, 0, [0.6, 0.4])
    assert not rungs.record(4, 0, [0.55, 0.45])
    # of six, two go on: the second best now does
    assert rungs.record(5, 0, [0.59, 0.41])


def test_more_is_better_where_it_says_max():
    rungs = RungResults(("max", "max"), reduction=2)
    rungs.record(0, 0, [0.9, 0.9])
    assert not rungs.record(1, 0, [0.1, 0.1])
    other = RungResults(("min", "min"), reduction=2)
    other.record(0, 0, [0.9, 0.9])
    assert other.record(1, 0, [0.1, 0.1])


def test_about_one_in_three_random_trials_goes_on():
    rng = np.random.default_rng(0)
    rungs = RungResults(("max", "min"), reduction=3)
    kept = [rungs.record(k, 0, rng.random(2)) for k in range(300)]
    assert 0.25 < np.mean(kept[30:]) < 0.42


def test_values_that_are_no_numbers_end_a_trial_and_spoil_nothing():
    rungs = RungResults(("max", "min"))
    assert not rungs.record(0, 0, [float("nan"), 0.5])
    assert rungs.at(0) == {}
    assert rungs.record(1, 0, [0.5, 0.5])


def test_rungs_survive_a_restart_and_repeat_their_answers(tmp_path):
    path = tmp_path / "rungs.json"
    rng = np.random.default_rng(1)
    values = rng.random((20, 2))
    first = RungResults(("max", "min"), path=path)
    answers = [first.record(k, "0/10", values[k]) for k in range(20)]
    again = RungResults(("max", "min"), path=path)
    assert again.at("0/10") == first.at("0/10")
    # a trial that goes on from a checkpoint reports the same rung once more
    assert [again.record(k, "0/10", [0.0, 1.0]) for k in range(20)] == answers
    # and a new one is held against all of them
    whole = RungResults(("max", "min"))
    for k in range(20):
        whole.record(k, "0/10", values[k])
    middling = values.mean(0)
    assert again.record(20, "0/10", middling) == whole.record(20, "0/10", middling)


def test_rungs_of_other_settings_or_a_damaged_file_are_refused_in_one_line(tmp_path):
    path = tmp_path / "rungs.json"
    RungResults(("max", "min"), path=path).record(0, 0, [0.5, 0.5])
    with pytest.raises(InputError, match="other settings"):
        RungResults(("max", "min"), reduction=4, path=path)
    path.write_text("{")
    with pytest.raises(InputError, match="remove it"):
        RungResults(("max", "min"), path=path)


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"grace": 90}, "no rung"),
        ({"grace": 0}, "grace period"),
        ({"reduction": 1}, "reduction"),
        ({"brackets": 3}, "brackets"),
        ({"brackets": 0}, "brackets"),
    ],
)
def test_a_schedule_without_rungs_is_refused(changes, hint):
    with pytest.raises(InputError, match=hint):
        RungSchedule(**{"grace": 10, "total": 90} | changes)


def test_rungs_rise_by_the_reduction_factor_and_brackets_lack_the_lowest():
    schedule = RungSchedule(10, 90, brackets=2)
    assert schedule.rungs(0) == (10, 30)
    assert schedule.rungs(1) == (30,)


def test_a_trial_is_compared_once_at_each_rung_that_it_passes():
    asked = []

    def values(*given):
        def give():
            asked.append(given)
            return given

        return give

    halving = Halving(RungSchedule(10, 90), RungResults(("max", "min")))
    assert halving.report(0, 5, values(0.1, 0.1))
    assert asked == []
    for at in (10, 20, 30, 60, 90):
        assert halving.report(0, at, values(at / 100, 0.1))
    assert halving.results.at("0/10") == {0: (0.1, 0.1)}
    assert halving.results.at("0/30") == {0: (0.3, 0.1)}
    # one that reports late is not held back at the rungs that it jumped over
    halving.report(1, 35, values(0.2, 0.2))
    assert list(halving.results.at("0/10")) == [0]
    assert list(halving.results.at("0/30")) == [0, 1]


def test_a_bracket_compares_only_its_own_trials():
    halving = Halving(RungSchedule(10, 90, brackets=2), RungResults(("max", "min"), reduction=3))
    for trial in range(6):
        halving.report(trial, 30, lambda trial=trial: (trial, 0.5))
    assert list(halving.results.at("0/30")) == [0, 2, 4]
    assert list(halving.results.at("1/30")) == [1, 3, 5]


def scheduler(tmp_path, **changes):
    from mi_tune.study.cluster import Resources  # noqa: F401  before anything that imports Ray
    from mi_tune.study.stopping import ParetoHalving

    objectives = {"natural_accuracy": "max", "cheap_attack_accuracy": "min"}
    halving = Halving(RungSchedule(10, 90), RungResults(tuple(objectives.values()), path=tmp_path / "rungs.json"))
    return ParetoHalving(**{"unit": "epoch", "objectives": objectives, "halving": halving} | changes)


def report(scheduler, number, natural, cheap, epoch=10, reference="", repeat=0, **more):
    trial = SimpleNamespace(config={"trial": number, "reference": reference, "repeat": repeat})
    result = {"state": "running", "epoch": epoch, "natural_accuracy": natural, "cheap_attack_accuracy": cheap}
    return scheduler.on_trial_result(None, trial, result | more)


def test_the_scheduler_stops_what_falls_behind_and_says_why(tmp_path):
    halving = scheduler(tmp_path)
    assert [report(halving, k, 0.5 + k / 10, 0.5) for k in range(3)] == ["CONTINUE"] * 3
    assert report(halving, 3, 0.2, 0.9) == "STOP"
    assert halving.stopped == {3: "stopped at epoch 10: natural_accuracy 0.200, cheap_attack_accuracy 0.900"}
    # a resumed study makes a new scheduler over the same file
    assert report(scheduler(tmp_path), 4, 0.2, 0.9) == "STOP"


def test_reference_points_repeats_and_finished_trials_are_never_stopped(tmp_path):
    halving = scheduler(tmp_path)
    for k in range(5):
        report(halving, k, 0.9, 0.1)
    assert report(halving, 5, 0.0, 1.0, reference="no defence") == "CONTINUE"
    assert report(halving, 6, 0.0, 1.0, repeat=1) == "CONTINUE"
    assert report(halving, 7, 0.0, 1.0, state="complete") == "CONTINUE"


def test_a_unit_or_objective_that_is_not_reported_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match="'steps'; they report cheap_attack_accuracy, epoch, natural_accuracy"):
        report(scheduler(tmp_path, unit="steps"), 0, 0.5, 0.5)
    with pytest.raises(InputError, match="'leak'"):
        report(scheduler(tmp_path, objectives={"leak": "min"}), 0, 0.5, 0.5)


def test_the_searcher_tells_a_stopped_trial_as_what_it_is_and_leaves_others_open():
    from mi_tune.setup import SearchSetup
    from mi_tune.study.cluster import Resources  # noqa: F401  before anything that imports Ray
    from mi_tune.study.journal import StudyJournal
    from mi_tune.study.searcher import ParetoSearch

    journal = StudyJournal(
        None, "study", SearchSetup(sampler="random", min_accuracy_kept=None), 0, 30, references=False
    )
    search = ParetoSearch(journal, stopped={0: "stopped at epoch 10"})
    for name in ("a", "b"):
        search.suggest(name)
        search.on_trial_complete(name, {"state": "running", "epoch": 10, "natural_accuracy": 0.99})
    table = journal.table().set_index("trial")
    assert table.state.to_dict() == {0: "stopped", 1: "running"}
    assert table.reason[0] == "stopped at epoch 10"
    # half-trained accuracies are in no column that a front is made of
    assert table.natural_accuracy.isna().all()
    assert journal.main.trials[0].state.name == "PRUNED"
    assert journal.main.best_trials == []
