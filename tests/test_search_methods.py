"""Searches that are put against each other, and each of their parts. No Ray."""

import numpy as np
import pytest
from synthetic_table import make_table

from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.replay.noise import HitModel
from mi_tune.replay.registry import is_modelled, method_name
from mi_tune.replay.search_methods import SimulatedStudy, least_accuracy, make_search_method
from mi_tune.replay.simulator import simulate
from mi_tune.replay.surface import Surface
from mi_tune.runtime.errors import InputError
from mi_tune.search.front_model import FrontModel
from mi_tune.search.improvement import SampledFronts
from mi_tune.search.observations import Observations
from mi_tune.search.samplers import SAMPLERS
from mi_tune.search.space import law_from


@pytest.fixture(scope="module")
def surface() -> Surface:
    return Surface(*make_table(100))


def study_of(surface, method, seed=0):
    return SimulatedStudy(make_search_method(method), surface, seed)


def test_a_method_is_written_as_its_parts_and_an_unknown_one_offers_near_names():
    for text in ("nehvi+model+race", "nehvi + race + model"):
        assert make_search_method(text).name == "nehvi+race+model"
    with pytest.raises(InputError, match="moasha"):
        make_search_method("random+moash")
    with pytest.raises(InputError, match="nsga2"):
        make_search_method("nsga")


@pytest.mark.parametrize(
    "method",
    ["random", "qmc+floor", "tpe+moasha", "nsga2+race", "random+repeat+model", "nehvi+scout+race+repeat+model"],
)
@pytest.mark.parametrize("workers", [1, 7])
def test_every_part_runs_with_any_number_of_workers(surface, method, workers):
    search = study_of(surface, method)
    trace = simulate(surface, search, workers, 25 * surface.mean_seconds(), 0)
    events = trace.events
    assert (events.state == "complete").sum() >= 5
    assert (np.diff(events.cost) >= 0).all()
    assert events.hypervolume.iloc[-1] > 0.4
    assert events.cost.iloc[-1] <= 25 * surface.mean_seconds()


def test_a_search_that_is_not_modelled_never_asks_the_model(surface, monkeypatch):
    def refuse(*_):
        raise AssertionError("the model was asked")

    model = ((FrontModel, "update"), (FrontModel, "expected"), (Observations, "of"), (SampledFronts, "improvement"))
    for owner, name in model:
        monkeypatch.setattr(owner, name, refuse)
    others = sorted(set(SAMPLERS) - {"nehvi"})
    for name in (*others, "random+floor+moasha+scout+long+twice+race+repeat"):
        assert not is_modelled(method_name(name))
        simulate(surface, SimulatedStudy(make_search_method(name), surface, 0), 2, 14 * surface.mean_seconds(), 0)
    for name in ("nehvi", "random+model", "qmc+warm", "gp+seeded"):
        assert is_modelled(method_name(name))
    assert not is_modelled("ax")
    with pytest.raises(AssertionError, match="was asked"):
        simulate(surface, study_of(surface, "random+model"), 2, 14 * surface.mean_seconds(), 0)


def test_the_same_seed_gives_the_same_study(surface):
    one, two = (simulate(surface, study_of(surface, "nehvi+race"), 3, 300, 5).events for _ in range(2))
    assert one.equals(two)


def test_halving_finishes_fewer_trials_and_begins_more(surface):
    cost = 30 * surface.mean_seconds()
    plain = simulate(surface, study_of(surface, "random"), 1, cost, 0).events
    halved = simulate(surface, study_of(surface, "random+moasha"), 1, cost, 0).events
    assert (halved.state == "complete").sum() < (plain.state == "complete").sum()
    assert len(halved) > len(plain)
    assert (halved.state[4:] == "stopped").mean() > 0.4


def test_scouts_are_the_first_laws_and_later_ones_are_not_looked_at_early(surface):
    search = study_of(surface, "nehvi+scout+long")
    events = simulate(surface, search, 1, 40 * surface.mean_seconds(), 0).events
    table = search.journal.table().set_index("trial")
    stopped = table.index[table.state == "stopped"]
    assert len(search.scouts) == 30
    assert set(stopped) <= search.scouts
    assert 15 <= len(stopped) <= 24
    assert (table.state[34:] != "stopped").all()
    assert len(events) > 45


def test_repeats_are_a_quarter_of_the_trials_and_their_means_count(surface):
    search = study_of(surface, "random+repeat")
    simulate(surface, search, 1, 60 * surface.mean_seconds(), 0)
    repeats = [asked for asked in search.asked.values() if asked.repeat]
    assert 0.1 < len(repeats) / len(search.asked) < 0.27
    natural, attack, runs = search.journal.repeats.means()
    table = search.journal.table().set_index("trial")
    k = int(runs.argmax())
    assert runs[k] > 1
    first = search.journal.repeats.laws[k]
    mine = table[(table.index == first) | (table.repeat_of == first)]
    assert len(set(mine.attack_accuracy)) == len(mine) == runs[k]
    assert attack[k] == pytest.approx(mine.attack_accuracy.mean())
    assert natural[k] == pytest.approx(mine.natural_accuracy.mean())


def test_two_targets_a_trial_cost_twice_and_vary_less(surface):
    law = surface_law(surface)
    one, two = ([surface.draw(law, seed=s, targets=t) for s in range(60)] for t in (1, 2))
    assert two[0].seconds == pytest.approx(2 * one[0].seconds)
    assert np.std([o.attack for o in two]) < 0.85 * np.std([o.attack for o in one])
    assert search_cost(surface, "random+twice") == pytest.approx(search_cost(surface, "random") / 2, rel=0.15)


def surface_law(surface):
    return law_from(surface.space, {"probability": 0.5, "area_low": 0.3, "area_span": 0.2, "aspect_max": 2.0})


def search_cost(surface, method):
    """Trials that twenty whole trials of one target pay for."""
    search = study_of(surface, method)
    return len(simulate(surface, search, 1, 20 * surface.mean_seconds(), 0).events)


def test_repeating_makes_the_claimed_front_less_too_good(surface):
    optimism = {}
    for method in ("random", "random+repeat"):
        ends = [
            # with 50 trials the difference is within the noise of 30 seeds
            simulate(surface, study_of(surface, method, s), 1, 150 * surface.mean_seconds(), s).events.iloc[-1]
            for s in range(12)
        ]
        optimism[method] = np.mean([row.claimed - row.hypervolume for row in ends])
    assert optimism["random+repeat"] < optimism["random"]


def test_what_a_race_breaks_off_would_seldom_have_been_on_the_front(surface):
    search = study_of(surface, "random+race")
    simulate(surface, search, 1, 120 * surface.mean_seconds(), 0)
    stopped = [n for n in search.asked if "broken off" in reason(search, n)]
    assert len(stopped) > 3
    wrong = 0
    for number in stopped:
        outcome = surface.draw(search.asked[number].law)
        natural, attack, _ = search.journal.repeats.means()
        wrong += not ((natural >= outcome.natural[2]) & (attack <= outcome.attack)).any()
    assert wrong <= 0.05 * len(stopped) + 1


def reason(search, number):
    table = search.journal.table()
    return table.reason[table.trial == number].iloc[0]


def test_stopped_trials_are_never_recommended(surface):
    search = study_of(surface, "random+moasha+race")
    simulate(surface, search, 1, 40 * surface.mean_seconds(), 0)
    table = search.journal.table().set_index("trial")
    recommended = {law.area for law in search.recommend()[0]}
    complete = {search.asked[n].law.area for n in table.index[table.state == "complete"]}
    assert recommended <= complete


def test_the_least_accuracy_of_an_attack_is_seldom_missed():
    rng = np.random.default_rng(0)
    people = HitModel(rng.standard_normal(30), 0.5, 4)
    missed = dict.fromkeys((6, 12, 24), 0)
    for _ in range(1000):
        hits = rng.permutation(people.hits(rng.uniform(0.05, 0.95), rng))
        for k in missed:
            missed[k] += hits.mean() < least_accuracy(hits[:k], 30, 0.05) - 1e-9
    assert all(count <= 75 for count in missed.values())
    assert least_accuracy(np.ones(12), 30, 0.05) < 1
    assert least_accuracy(np.full(30, 0.25), 30, 0.05) == 0.25


def test_references_are_never_stopped(surface):
    search = study_of(surface, "random+moasha+race+floor")
    simulate(surface, search, 1, 30 * surface.mean_seconds(), 0)
    table = search.journal.table()
    assert set(table.reference[table.state == "complete"]) >= set(REFERENCE_LAWS)
