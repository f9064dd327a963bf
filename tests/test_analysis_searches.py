"""From the curves of many replays to a cost and a ratio with its interval."""

import numpy as np
import pytest

from analysis.statistics.searches import Curves, cost_ratio, cost_to


def test_the_cost_is_where_the_mean_curve_comes_to_stay():
    cost = np.arange(1, 7, dtype=float)
    assert cost_to(cost, np.array([0.2, 0.96, 0.5, 0.9, 1.0, 1.0]), 0.95) == pytest.approx(4.5)
    assert cost_to(cost, np.full(6, 0.99), 0.95) == 1
    assert np.isnan(cost_to(cost, np.array([0.9, 0.9, 0.97, 0.9, 0.9, 0.9]), 0.95))


def test_the_ratio_of_costs_has_an_interval_that_holds_it():
    rng = np.random.default_rng(0)
    cost = np.linspace(0, 60, 121)[1:]

    def grown(speed):
        rates = speed * rng.uniform(0.8, 1.2, 30)
        return Curves(cost, 1 - np.exp(-np.outer(rates, cost)))

    slow, fast = grown(0.1), grown(0.4)
    ratio = cost_ratio(fast, slow, 0.95)
    assert ratio.low < 0.25 < ratio.high
    assert ratio.high < 0.32
    assert cost_ratio(slow, slow, 0.95) == (1.0, 1.0, 1.0)


def test_a_method_that_never_comes_there_is_as_dear_as_all_that_was_spent():
    cost = np.arange(1, 11, dtype=float)
    never, at_five = Curves(cost, np.zeros((4, 10))), Curves(cost, np.tile(cost >= 5, (4, 1)).astype(float))
    assert cost_ratio(never, at_five, 0.95).value == pytest.approx(10 / cost_to(cost, at_five.mean, 0.95))
    assert np.isnan(cost_ratio(never, never, 0.95).value)
