"""The table as an objective: what is read between its laws, and the noise of one trial."""

import numpy as np
import pytest
from synthetic_table import KEPT, PEOPLE, make_table, some_laws, true_accuracies

from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.replay.noise import HitModel, measure_hits, measure_noise
from mi_tune.replay.surface import Surface, load_surface
from mi_tune.runtime.errors import InputError
from mi_tune.search.front import hypervolume


@pytest.fixture(scope="module")
def surface() -> Surface:
    return Surface(*make_table(100))


def test_the_surface_is_near_the_truth_between_the_laws_of_the_table(surface):
    laws = some_laws()
    natural, attack = surface.truth(laws)
    true = [true_accuracies(law) for law in laws]
    # closer than a trial is to its own truth
    assert np.sqrt(np.mean((natural - [t[0][2] for t in true]) ** 2)) < 0.03
    assert np.sqrt(np.mean((attack - [t[2] for t in true]) ** 2)) < 0.05


def test_the_way_to_read_a_value_is_the_one_that_errs_least_on_laws_left_out(surface):
    for reading in surface.readings:
        assert reading.interpolator == min(reading.errors, key=reading.errors.get)
    attack = next(r for r in surface.readings if r.value == "attack_accuracy@2")
    assert attack.errors[attack.interpolator] < 0.8 * attack.errors["nearest law"]
    # noise of the mean of two seeds cannot be predicted away
    assert attack.errors[attack.interpolator] > 0.6 * attack.floor


def test_another_way_to_read_can_be_asked_for_and_an_unknown_one_is_refused():
    rough = Surface(*make_table(40), interpolator="4 nearest laws")
    assert {r.interpolator for r in rough.readings if r.floor is not None} == {"4 nearest laws"}
    with pytest.raises(InputError, match="nearest law"):
        Surface(*make_table(40), interpolator="spline")


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
    people = HitModel(np.linspace(-2, 2, 20), 0.5, 4)
    rng = np.random.default_rng(0)
    hits = np.array([people.hits(0.35, rng) for _ in range(300)])
    assert np.allclose(hits.mean(1), 0.35)
    assert hits[:, 15:].mean() > hits[:, :5].mean() + 0.2
    law = some_laws()[0]
    outcome = surface.draw(law)
    assert surface.hits(law, outcome).mean() == pytest.approx(outcome.attack, abs=0.5 / PEOPLE / KEPT)


def test_easy_people_are_found_in_the_counts():
    rng = np.random.default_rng(0)
    people = HitModel(np.linspace(-2, 2, 30), 1.0, 4)
    hits = np.array([[people.hits(rate, rng) * 4 for _ in range(2)] for rate in rng.uniform(0.2, 0.8, 80)])
    found = measure_hits(hits, 4)
    assert np.corrcoef(found.log_odds, people.log_odds)[0, 1] > 0.95
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
    assert surface.worth(laws, floor) == pytest.approx(
        surface.worth(good, 0.0), abs=1e-12
    )  # another batch, other rounding
    assert surface.worth(good, 0.0) < surface.worth(laws, 0.0)
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
