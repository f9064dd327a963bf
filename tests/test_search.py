"""The searcher that Ray asks, without Ray."""

from mi_tune.setup import SearchSetup
from mi_tune.study.cluster import REFRESH_SECONDS, Capacity, Demand, fitting
from mi_tune.study.journal import StudyJournal
from mi_tune.study.searcher import ParetoSearch


def test_nothing_is_suggested_beyond_the_room_that_there_is_now():
    journal = StudyJournal(
        None, "study", SearchSetup(sampler="random", trials=6, repeats=0, min_accuracy_kept=None), 0, 30
    )
    room = 2
    search = ParetoSearch(journal, capacity=lambda: room)
    assert search.suggest("a")["trial"] == 0
    assert search.suggest("b")["trial"] == 1
    assert search.suggest("c") is None
    assert journal.remaining() == 4  # what was refused was not asked of the journal
    room = 3
    assert search.suggest("c")["trial"] == 2
    room = 1  # nodes have left: what they ran has to end or move first
    search.on_trial_complete("a", {"state": "complete", "record/natural_accuracy": 1.0, "record/attack_accuracy": 0.1})
    search.on_trial_complete("b", error=True)
    assert search.suggest("d") is None
    search.on_trial_complete("c", error=True)
    assert search.suggest("d")["trial"] == 3


def test_the_room_is_read_again_once_it_may_have_changed_and_stays_under_its_cap():
    now, fit, asked = 0.0, 4, 0

    def read() -> int:
        nonlocal asked
        asked += 1
        return fit

    room, capped = Capacity(read, None, lambda: now), Capacity(lambda: fit, 5, lambda: now)
    assert (room(), capped()) == (4, 4)
    fit = 8
    now = 0.9 * REFRESH_SECONDS
    assert (room(), capped()) == (4, 4)
    assert asked == 1
    now = REFRESH_SECONDS
    assert (room(), capped()) == (8, 5)
    fit, now = 0, 2 * REFRESH_SECONDS
    assert (room(), capped()) == (1, 1)  # what is asked for then waits for a node


def test_a_trial_has_its_cpu_and_its_gpus_on_one_node():
    mixed = [{"CPU": 16.0}, {"CPU": 4.0, "GPU": 8.0}, {"CPU": 2.0, "GPU": 1.0}]
    assert fitting(mixed, 0) == 22
    assert fitting(mixed, 1) == 4 + 1
    assert fitting(mixed, 2) == 4
    assert fitting(mixed, 0.5) == 4 + 2
    assert fitting([{"CPU": 9.0, "GPU": 2.0}], 0.3) == 2 * 3
    assert fitting([{"GPU": 2.0}], 1) == 0


def test_an_autoscaler_hears_how_many_trials_are_left_and_in_the_end_that_none_is():
    now, heard = 0.0, []
    demand = Demand(heard.append, {"CPU": 1.0, "GPU": 0.5}, 3, lambda: now)
    demand(10)
    demand(2)  # too soon
    assert heard == [[{"CPU": 1.0, "GPU": 0.5}] * 3]
    now = REFRESH_SECONDS
    demand(8)  # still as many as are wanted
    demand(2)
    demand(1)
    demand(0)
    assert [len(bundles) for bundles in heard] == [3, 2, 0]
    demand(0)
    assert len(heard) == 3
