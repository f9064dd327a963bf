"""Replaying searches: the surface and its noise, the clock, the rivals, and what is said of them. No Ray."""

import itertools

import numpy as np
import pytest
from synthetic_table import ATTACK, CHEAP, KEPT, LOOK, PEOPLE, SPACE, TRAIN, make_table, true_accuracies

from analysis.searches import Curves, cost_ratio, cost_to, curves
from mi_tune.erasing import NO_DEFENCE, REFERENCE_LAWS, ErasingLaw
from mi_tune.errors import InputError
from mi_tune.replay.methods import is_modelled, method_name
from mi_tune.replay.noise import People, measure_noise, measure_people
from mi_tune.replay.rivals import Contest, least_accuracy, make_rival
from mi_tune.replay.simulator import simulate
from mi_tune.replay.surface import Surface, load_surface
from mi_tune.study.front import hypervolume
from mi_tune.study.front_model import FrontModel, Observations
from mi_tune.study.geometry import Geometry
from mi_tune.study.improvement import Staircases
from mi_tune.study.journal import Asked
from mi_tune.study.samplers import SAMPLERS
from mi_tune.study.space import distributions, law_from


@pytest.fixture(scope="module")
def surface() -> Surface:
    return Surface(*make_table(100))


def some_laws(n=100, seed=1) -> list[ErasingLaw]:
    geometry = Geometry(distributions(SPACE))
    units = np.random.default_rng(seed).random((n, len(geometry.names)))
    return [law_from(SPACE, geometry.params(unit)) for unit in units]


# ------------------------------------------------------------------------------------------------------- surface


def test_the_surface_is_near_the_truth_between_the_laws_of_the_table(surface):
    laws = some_laws()
    natural, attack = surface.truth(laws)
    true = [true_accuracies(law) for law in laws]
    # closer than a trial is to its own truth
    assert np.sqrt(np.mean((natural - [t[0][2] for t in true]) ** 2)) < 0.03
    assert np.sqrt(np.mean((attack - [t[2] for t in true]) ** 2)) < 0.05


def test_the_way_to_read_a_value_is_the_one_that_errs_least_on_laws_left_out(surface):
    for reading in surface.readings:
        assert reading.way == min(reading.errors, key=reading.errors.get)
    attack = next(r for r in surface.readings if r.value == "attack_accuracy@2")
    assert attack.errors[attack.way] < 0.8 * attack.errors["nearest law"]
    # noise of the mean of two seeds cannot be predicted away
    assert attack.errors[attack.way] > 0.6 * attack.floor


def test_another_way_to_read_can_be_asked_for_and_an_unknown_one_is_refused():
    rough = Surface(*make_table(40), way="4 nearest laws")
    assert {r.way for r in rough.readings if r.floor is not None} == {"4 nearest laws"}
    with pytest.raises(InputError, match="nearest law"):
        Surface(*make_table(40), way="spline")


def test_laws_that_never_erase_are_one_law(surface):
    other = ErasingLaw(probability=0.0, area=(0.3, 0.6), fill="noise", location="periphery")
    natural, attack = surface.truth([NO_DEFENCE, other])
    assert natural[0] == natural[1]
    assert attack[0] == attack[1]


def test_a_trial_is_drawn_around_the_truth_with_the_noise_that_was_measured(surface):
    law = some_laws()[3]
    natural, attack = surface.truth([law])
    drawn = [surface.draw(law, repeat=k) for k in range(400)]
    assert np.mean([d.natural[2] for d in drawn]) == pytest.approx(natural[0], abs=0.02)
    assert np.mean([d.attack for d in drawn]) == pytest.approx(attack[0], abs=0.02)
    angle = np.arcsin(np.sqrt([d.attack for d in drawn]))
    assert angle.std() == pytest.approx(surface.noise.deviations[-1], rel=0.15)
    rungs = np.corrcoef([d.natural[1] for d in drawn], [d.natural[2] for d in drawn])[0, 1]
    assert rungs == pytest.approx(surface.noise.correlations[1, 2], abs=0.15)


def test_a_draw_depends_on_law_repeat_and_seed_alone(surface):
    first, second = some_laws()[:2]
    assert surface.draw(first, 1, 2).attack == surface.draw(first, 1, 2).attack
    values = {surface.draw(law, r, s).attack for law in (first, second) for r in (0, 1) for s in (0, 1)}
    assert len(values) == 8


def test_noise_is_measured_as_it_was_made():
    rng = np.random.default_rng(0)
    covariance = np.array([[0.04, 0.02], [0.02, 0.09]])
    noise = rng.multivariate_normal([0, 0], covariance, (400, 2))
    # means of laws and seeds are no noise
    values = noise + 5 * rng.standard_normal((400, 1, 2)) + np.array([0.0, 3.0])[None, :, None]
    measured = measure_noise(values, ("a", "b"))
    assert measured.covariance == pytest.approx(covariance, rel=0.25)
    drawn = np.array([measured.draw(rng) for _ in range(4000)])
    assert np.cov(drawn.T) == pytest.approx(measured.covariance, rel=0.2)


def test_noise_needs_two_seeds_and_ten_laws():
    with pytest.raises(InputError, match="seeds"):
        Surface(*make_table(40, seeds=1))
    with pytest.raises(InputError, match="10"):
        measure_noise(np.zeros((5, 2, 1)), ("a",))


def test_hits_of_people_add_up_to_the_accuracy_and_follow_who_is_easy(surface):
    people = People(np.linspace(-2, 2, 20), 0.5, 4)
    rng = np.random.default_rng(0)
    hits = np.array([people.hits(0.35, rng) for _ in range(300)])
    assert np.allclose(hits.mean(1), 0.35)
    assert hits[:, 15:].mean() > hits[:, :5].mean() + 0.2
    law = some_laws()[0]
    outcome = surface.draw(law)
    assert surface.hits(law, outcome).mean() == pytest.approx(outcome.attack, abs=0.5 / PEOPLE / KEPT)


def test_easy_people_are_found_in_the_counts():
    rng = np.random.default_rng(0)
    people = People(np.linspace(-2, 2, 30), 1.0, 4)
    hits = np.array([[people.hits(rate, rng) * 4 for _ in range(2)] for rate in rng.uniform(0.2, 0.8, 80)])
    found = measure_people(hits, 4)
    assert np.corrcoef(found.odds, people.odds)[0, 1] > 0.95
    assert 0.5 <= found.spread <= 1.5


def test_the_best_front_holds_the_table_and_respects_the_floor(surface):
    natural, attack = surface.truth(some_laws())
    floor = surface.floor(0.8)
    assert floor == pytest.approx(0.8 * surface.truth([NO_DEFENCE])[0][0])
    fit = natural >= floor
    assert surface.best_hypervolume(floor) > hypervolume(natural[fit], attack[fit])
    assert surface.best_front(floor)[0].min() >= floor
    assert surface.best_hypervolume(0.0) >= surface.best_hypervolume(floor)
    # a search that goes on for long finds hardly more
    assert surface.worth(some_laws(4000, 2), floor) < surface.best_hypervolume(floor)


def test_a_recommended_law_that_is_truly_below_the_floor_is_worth_nothing(surface):
    laws = some_laws()
    natural, _ = surface.truth(laws)
    floor = float(np.median(natural))
    good = [law for law, n in zip(laws, natural, strict=True) if n >= floor]
    assert surface.worth(laws, floor) == surface.worth(good, 0.0) < surface.worth(laws, 0.0)
    assert surface.worth([], 0.0) == 0
    assert surface.worth([laws[int(natural.argmin())]], floor) == 0


def test_a_table_that_lacks_something_is_refused_in_one_line(tmp_path):
    rows, about = make_table(20)
    with pytest.raises(InputError, match="attack_seconds"):
        Surface(rows.drop(columns="attack_seconds"), about)
    with pytest.raises(InputError, match="space"):
        Surface(rows, {})
    with pytest.raises(InputError, match="at least 10"):
        Surface(rows[rows.law < 5], about)
    with pytest.raises(InputError, match="no table"):
        load_surface(tmp_path / "orl.parquet")


def test_failed_trials_of_the_table_are_left_out():
    rows, about = make_table(40)
    bad = (rows.law == 7) & (rows.seed == 1)
    rows.loc[bad, "state"] = "failed"
    rows.loc[bad, ["natural_accuracy", "cheap_attack_accuracy", "attack_accuracy"]] = np.nan
    assert np.isfinite(Surface(rows, about).truth(some_laws(10))).all()


# ----------------------------------------------------------------------------------------------------- simulator


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


# -------------------------------------------------------------------------------------------------------- rivals


def contest(surface, method, seed=0):
    return Contest(make_rival(method), surface, seed)


def test_a_rival_is_written_as_its_parts_and_an_unknown_one_offers_near_names():
    assert make_rival("nehvi+model+race").name == make_rival("nehvi + race + model").name == "nehvi+race+model"
    with pytest.raises(InputError, match="moasha"):
        make_rival("random+moash")
    with pytest.raises(InputError, match="nsga2"):
        make_rival("nsga")


@pytest.mark.parametrize(
    "method",
    ["random", "qmc+floor", "tpe+moasha", "nsga2+race", "random+repeat+model", "nehvi+scout+race+repeat+model"],
)
@pytest.mark.parametrize("workers", [1, 7])
def test_every_part_runs_with_any_number_of_workers(surface, method, workers):
    search = contest(surface, method)
    trace = simulate(surface, search, workers, 25 * surface.mean_seconds(), 0)
    events = trace.events
    assert (events.state == "complete").sum() >= 5
    assert (np.diff(events.cost) >= 0).all()
    assert events.hypervolume.iloc[-1] > 0.4
    assert events.cost.iloc[-1] <= 25 * surface.mean_seconds()


def test_a_search_that_is_not_modelled_never_asks_the_model(surface, monkeypatch):
    def refuse(*_):
        raise AssertionError("the model was asked")

    for owner, name in ((FrontModel, "update"), (FrontModel, "expected"), (Observations, "of"), (Staircases, "gain")):
        monkeypatch.setattr(owner, name, refuse)
    others = sorted(set(SAMPLERS) - {"nehvi"})
    for name in (*others, "random+floor+moasha+scout+long+twice+race+repeat"):
        assert not is_modelled(method_name(name))
        simulate(surface, Contest(make_rival(name), surface, 0), 2, 14 * surface.mean_seconds(), 0)
    for name in ("nehvi", "random+model", "qmc+warm", "gp+seeded"):
        assert is_modelled(method_name(name))
    assert not is_modelled("ax")
    with pytest.raises(AssertionError, match="was asked"):
        simulate(surface, Contest(make_rival("random+model"), surface, 0), 2, 14 * surface.mean_seconds(), 0)


def test_the_same_seed_gives_the_same_study(surface):
    one, two = (simulate(surface, contest(surface, "nehvi+race"), 3, 300, 5).events for _ in range(2))
    assert one.equals(two)


def test_halving_finishes_fewer_trials_and_begins_more(surface):
    cost = 30 * surface.mean_seconds()
    plain = simulate(surface, contest(surface, "random"), 1, cost, 0).events
    halved = simulate(surface, contest(surface, "random+moasha"), 1, cost, 0).events
    assert (halved.state == "complete").sum() < (plain.state == "complete").sum()
    assert len(halved) > len(plain)
    assert (halved.state[4:] == "stopped").mean() > 0.4


def test_scouts_are_the_first_laws_and_later_ones_are_not_looked_at_early(surface):
    search = contest(surface, "nehvi+scout+long")
    events = simulate(surface, search, 1, 40 * surface.mean_seconds(), 0).events
    table = search.journal.table().set_index("trial")
    stopped = table.index[table.state == "stopped"]
    assert len(search.scouts) == 30
    assert set(stopped) <= search.scouts
    assert 15 <= len(stopped) <= 24
    assert (table.state[34:] != "stopped").all()
    assert len(events) > 45


def test_repeats_are_a_quarter_of_the_trials_and_their_means_count(surface):
    search = contest(surface, "random+repeat")
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
    search = contest(surface, method)
    return len(simulate(surface, search, 1, 20 * surface.mean_seconds(), 0).events)


def test_repeating_makes_the_claimed_front_less_too_good(surface):
    optimism = {}
    for method in ("random", "random+repeat"):
        ends = [
            simulate(surface, contest(surface, method, s), 1, 50 * surface.mean_seconds(), s).events.iloc[-1]
            for s in range(6)
        ]
        optimism[method] = np.mean([row.claimed - row.hypervolume for row in ends])
    assert optimism["random+repeat"] < optimism["random"]


def test_what_a_race_breaks_off_would_seldom_have_been_on_the_front(surface):
    search = contest(surface, "random+race")
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
    search = contest(surface, "random+moasha+race")
    simulate(surface, search, 1, 40 * surface.mean_seconds(), 0)
    table = search.journal.table().set_index("trial")
    recommended = {law.area for law in search.recommend()[0]}
    complete = {search.asked[n].law.area for n in table.index[table.state == "complete"]}
    assert recommended <= complete


def test_the_least_accuracy_of_an_attack_is_seldom_missed():
    rng = np.random.default_rng(0)
    people = People(rng.standard_normal(30), 0.5, 4)
    missed = dict.fromkeys((6, 12, 24), 0)
    for _ in range(1000):
        hits = rng.permutation(people.hits(rng.uniform(0.05, 0.95), rng))
        for k in missed:
            missed[k] += hits.mean() < least_accuracy(hits[:k], 30, 0.05) - 1e-9
    assert all(count <= 75 for count in missed.values())
    assert least_accuracy(np.ones(12), 30, 0.05) < 1
    assert least_accuracy(np.full(30, 0.25), 30, 0.05) == 0.25


def test_references_are_never_stopped(surface):
    search = contest(surface, "random+moasha+race+floor")
    simulate(surface, search, 1, 30 * surface.mean_seconds(), 0)
    table = search.journal.table()
    assert set(table.reference[table.state == "complete"]) >= set(REFERENCE_LAWS)


# ------------------------------------------------------------------------------------------------------ analysis


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


def test_curves_are_steps_over_cost_in_whole_trials(surface):
    trace = simulate(surface, Fixed(some_laws(5)), 1, 5 * surface.mean_seconds(), 0)
    found = curves([trace.events], surface.mean_seconds(), 2.0, 5.0)
    assert found.hypervolume[0, -1] == pytest.approx(trace.events.hypervolume.iloc[-1] / 2)
    assert found.hypervolume[0, 0] == 0
    assert (np.diff(found.hypervolume[0]) >= -1e-12).all()
