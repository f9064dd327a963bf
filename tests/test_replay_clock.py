"""Workers on a simulated clock: what trials cost, and what was found by when. No Ray."""

import itertools

import numpy as np
import pytest
from synthetic_table import ATTACK, CHEAP, LOOK, TRAIN, make_table, some_laws

from analysis.statistics.searches import curves
from mi_tune.replay.simulator import simulate
from mi_tune.replay.surface import Surface
from mi_tune.search.front import hypervolume
from mi_tune.study.journal import Asked


@pytest.fixture(scope="module")
def surface() -> Surface:
    return Surface(*make_table(100))


class Fixed:
    """A search that asks for the same laws in turn and does as it is told."""

    races, targets = False, 1

    def __init__(self, laws, stop_at=None):
        self.laws, self.stop_at, self.numbers, self.told = laws, stop_at, itertools.count(), []

    def looks_early(self, number):
        return self.stop_at is not None

    def ask(self):
        number = next(self.numbers)
        return Asked(number, self.laws[number % len(self.laws)], "", None, False)

    def goes_on(self, number, rung, natural, cheap):
        return rung != self.stop_at

    def attack_goes_on(self, number, natural, hits):
        return False

    def tell(self, number, state, record):
        self.told.append((number, state, record))

    def recommend(self):
        return [self.laws[n % len(self.laws)] for n, state, _ in self.told if state == "complete"], 0.0


def test_one_worker_takes_the_sum_of_all_steps_and_sixteen_a_sixteenth(surface):
    laws = some_laws(16)
    whole = sum(surface.draw(law).seconds for law in laws)
    one = simulate(surface, Fixed(laws), 1, whole + 1e-6, 0)
    assert len(one.events) == 16
    assert one.events.cost.iloc[-1] == pytest.approx(whole)
    many = simulate(surface, Fixed(laws), 16, whole * 1.2, 0)
    assert many.events.seconds.iloc[0] < 1.3 * TRAIN + LOOK + ATTACK
    assert (many.events.cost == 16 * many.events.seconds).all()


def test_a_trial_that_stops_early_costs_only_what_it_ran(surface):
    laws = some_laws(1)
    search = Fixed(laws, stop_at=0)
    trace = simulate(surface, search, 1, 50, 0)
    outcome = surface.draw(laws[0])
    assert trace.events.cost.iloc[0] == pytest.approx(outcome.train[0] + LOOK + CHEAP, rel=0.01)
    number, state, record = search.told[0]
    assert (number, state) == (0, "stopped")
    assert "attack_accuracy" not in record
    assert record["rungs"] == [[outcome.natural[0], outcome.cheap[0]]]


def test_an_attack_that_is_broken_off_costs_its_share(surface):
    laws = some_laws(1)
    search = Fixed(laws)
    search.races = True
    trace = simulate(surface, search, 1, 100, 0)
    outcome = surface.draw(laws[0])
    assert trace.events.cost.iloc[0] == pytest.approx(outcome.seconds - 0.8 * outcome.attack_seconds)
    assert search.told[0][2]["attacked"] == pytest.approx(0.2)


def test_the_hypervolume_of_a_trace_is_the_true_one_of_what_is_recommended(surface):
    laws = some_laws(12)
    trace = simulate(surface, Fixed(laws), 1, 12 * surface.mean_seconds(), 0)
    done = len(trace.events)
    assert trace.events.hypervolume.iloc[-1] == pytest.approx(hypervolume(*surface.truth(laws[:done])))


def test_a_slow_driver_keeps_workers_waiting_only_where_it_is_asked_to(surface):
    class Slow(Fixed):
        def ask(self):
            end = np.datetime64("now")  # any real work
            for _ in range(2000):
                end = np.datetime64("now")
            return super().ask() if end else None

    laws = some_laws(4)
    quick = simulate(surface, Slow(laws), 4, 200, 0)
    waiting = simulate(surface, Slow(laws), 4, 200, 0, driver_waits=True)
    assert quick.suggestion_seconds.min() > 0
    assert waiting.events.seconds.iloc[0] > quick.events.seconds.iloc[0]


def test_curves_are_steps_over_cost_in_whole_trials(surface):
    trace = simulate(surface, Fixed(some_laws(5)), 1, 5 * surface.mean_seconds(), 0)
    found = curves([trace.events], surface.mean_seconds(), 2.0, 5.0)
    assert found.hypervolume[0, -1] == pytest.approx(trace.events.hypervolume.iloc[-1] / 2)
    assert found.hypervolume[0, 0] == 0
    assert (np.diff(found.hypervolume[0]) >= -1e-12).all()
