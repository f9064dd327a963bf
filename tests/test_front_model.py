"""The model of both accuracies, and the sampler that asks it: geometry, Gaussian process, improvement."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState
from scipy.optimize import approx_fprime
from synthetic_table import SPACE, true_accuracies

from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.arcsine import from_arcsine, to_arcsine
from mi_tune.search.front import hypervolume
from mi_tune.search.front_model import FrontModel
from mi_tune.search.gaussian import GaussianProcess, LinearTerm, ProcessPrior
from mi_tune.search.geometry import ERASED_SHARE_PARAMETERS, Geometry
from mi_tune.search.improvement import SampledFronts
from mi_tune.search.observations import Observations
from mi_tune.search.samplers import share_spread_point, sobol_points, with_min_probability
from mi_tune.search.space import distributions, law_from
from mi_tune.setup import SearchSetup, Space
from mi_tune.study.journal import StudyJournal

WIDE = Space(probability=(0.0, 1.0), area_low=(0.02, 0.7), area_span=(0.0, 0.7), count=(1, 3), clean_epochs=(0, 20))
GEOMETRY = Geometry(distributions(WIDE))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 0.999), min_size=8, max_size=8))
def test_parameters_and_the_unit_cube_mean_the_same_laws(quantiles):
    params = GEOMETRY.params(np.array(quantiles))
    again = GEOMETRY.params(GEOMETRY.units([params])[0])
    for name, value in params.items():
        assert again[name] == (pytest.approx(value) if isinstance(value, float) else value)


def test_laws_that_are_cut_at_the_largest_area_are_one_point():
    common = {"probability": 0.5, "area_low": 0.7, "aspect_max": 2.0, "location": "inside", "fill": "mean"}
    common |= {"count": 2, "clean_epochs": 3}
    cut = GEOMETRY.columns(GEOMETRY.units([{**common, "area_span": span} for span in (0.3, 0.6)]))
    assert np.allclose(cut[0], cut[1])


def test_all_values_of_a_choice_are_equally_far_apart():
    geometry = Geometry(distributions(Space(probability=1.0, area_low=0.1, area_span=0.1, aspect_max=1.0)))
    laws = [{"location": place, "fill": "mean"} for place in ("inside", "overflow", "periphery")]
    columns = geometry.columns(geometry.units(laws))
    apart = np.linalg.norm(columns[:, None] - columns[None], axis=2)
    assert np.allclose(apart[~np.eye(3, dtype=bool)], 1)


def test_the_erased_share_is_what_laws_erase_on_average():
    unit = np.random.default_rng(0).random((50, len(GEOMETRY.names)))
    laws = [law_from(WIDE, GEOMETRY.params(u)) for u in unit]
    expected = [law.probability * (law.area[0] + law.area[1]) / 2 for law in laws]
    assert np.allclose(GEOMETRY.erased_share(unit), expected)


def test_the_least_and_largest_erased_share_are_those_of_the_space():
    unit = np.concatenate([np.random.default_rng(0).random((4000, len(GEOMETRY.names))), np.eye(len(GEOMETRY.names))])
    column, low, high = GEOMETRY.shares
    shares = GEOMETRY.columns(unit)[:, column]
    assert low <= shares.min() and shares.max() <= high
    assert GEOMETRY.erased_share(np.array([[0.999999] * len(GEOMETRY.names)]))[0] == pytest.approx(high, abs=1e-3)
    fixed = Geometry(distributions(Space(probability=1.0, area_low=0.1, area_span=0.1)))
    assert fixed.shares is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 0.999), min_size=8, max_size=8), st.floats(0, 0.999))
def test_a_law_can_be_moved_to_any_share_that_the_space_can_erase(quantiles, place):
    unit, (_, low, high) = np.array(quantiles), GEOMETRY.shares
    share = low + place * (high - low)
    moved = GEOMETRY.at_share(unit, share)
    assert GEOMETRY.erased_share(moved[None])[0] == pytest.approx(share, abs=1e-5)
    free = np.isin(GEOMETRY.names, ERASED_SHARE_PARAMETERS)
    assert np.array_equal(moved[~free], unit[~free])
    assert ((moved >= 0) & (moved < 1)).all()
    # all go the same way
    assert len(set(np.sign(np.round(moved - unit, 9))[free]) - {0.0}) <= 1


def test_a_share_beyond_the_space_is_its_nearest_end():
    unit = np.full(len(GEOMETRY.names), 0.5)
    _, low, high = GEOMETRY.shares
    for share, end in ((-1.0, low), (2.0, high)):
        assert GEOMETRY.erased_share(GEOMETRY.at_share(unit, share)[None])[0] == pytest.approx(end, abs=1e-5)


def test_first_laws_are_spread_evenly_over_the_erased_share():
    _, low, high = GEOMETRY.shares
    points = [share_spread_point(GEOMETRY, 5, k) for k in range(16)]
    shares = (GEOMETRY.erased_share(GEOMETRY.units(points)) - low) / (high - low)
    # one in every sixteenth, as of a Sobol sequence
    assert sorted(np.floor(shares * 16).astype(int)) == list(range(16))
    assert len({point["location"] for point in points}) == 3
    assert points[3] == share_spread_point(GEOMETRY, 5, 3)
    narrow = Space(probability=(0.1, 0.9), area_low=0.1, area_span=0.1)
    plain = Geometry(distributions(narrow))
    assert plain.shares is None
    assert share_spread_point(plain, 5, 2) == sobol_points(distributions(narrow), 5, 2, 1)[0]


LINE = ProcessPrior((0.8, 0.8), LinearTerm(len(GEOMETRY.groups) - 1, 0.4, 2.5))
both_priors = pytest.mark.parametrize("prior", [ProcessPrior(), LINE], ids=["plain", "line"])


def data(n=60, noise=0.05, seed=0):
    rng = np.random.default_rng(seed)
    x = GEOMETRY.columns(rng.random((n, len(GEOMETRY.names))))
    return x, np.sin(4 * x[:, 0]) + x[:, 1] + noise * rng.standard_normal(n)


@both_priors
def test_the_gradient_of_the_fit_is_that_of_its_loss(prior):
    x, y = data(30)
    process = GaussianProcess(GEOMETRY.groups, prior=prior)
    process._set_data(x, y, np.linspace(0.5, 2, 30))
    apart = np.zeros((GEOMETRY.groups.max() + 1, 30, 30))
    for column, group in enumerate(GEOMETRY.groups):
        apart[group] += np.subtract.outer(x[:, column], x[:, column]) ** 2
    at = process.theta + 0.3
    numeric = approx_fprime(at, lambda theta: process._loss(theta, apart)[0], 1e-6)
    assert np.allclose(process._loss(at, apart)[1], numeric, atol=1e-3)


@both_priors
def test_the_fit_finds_noise_and_relevant_parameters(prior):
    x, y = data(120, noise=0.1)
    process = GaussianProcess(GEOMETRY.groups, prior=prior).fit(x, y)
    assert process.noise_deviation == pytest.approx(0.1, rel=0.4)
    # two parameters matter; the logarithms of their weights stand out
    assert set(np.argsort(-process.theta[: GEOMETRY.groups.max() + 1])[:1]) == {0}
    test_x, test_y = data(200, noise=0.0, seed=1)
    assert np.sqrt(np.mean((process.predict(test_x) - test_y) ** 2)) < 0.1


@both_priors
def test_leaving_a_point_out_is_fitting_without_it(prior):
    x, y = data(25)
    process = GaussianProcess(GEOMETRY.groups, prior=prior).fit(x, y)
    left_out = process.leave_one_out()
    for k in (0, 7, 24):
        others = np.arange(25) != k
        again = GaussianProcess(GEOMETRY.groups, prior=prior)
        again.theta = process.theta
        again._set_data(x[others], y[others], None)
        # the same scale, so that the same variances mean the same
        again.centre, again.scale = process.centre, process.scale
        again.y = (y[others] - process.centre) / process.scale
        again._solve()
        assert again.predict(x[[k]])[0] == pytest.approx(left_out[k], abs=1e-5)


@both_priors
def test_paths_have_the_mean_and_spread_of_the_posterior(prior):
    x, y = data(40)
    process = GaussianProcess(GEOMETRY.groups, prior=prior).fit(x, y)
    at, _ = data(60, seed=2)
    drawn = process.sample_posterior(2000, np.random.default_rng(0))(at)
    assert drawn.shape == (2000, 60)
    spread = process.deviation(at)
    assert np.abs(drawn.mean(0) - process.predict(at)).max() < 0.15 * spread.max()
    assert np.median(np.abs(drawn.std(0) / spread - 1)) < 0.15


def test_two_equal_accuracies_do_not_say_that_all_are():
    geometry, rows = rows_of(2, 2)
    for row in rows:
        row |= {"natural": 0.9, "attack": 0.6}
    model = FrontModel(geometry).update(Observations.of(geometry, rows))
    natural, attack = model.deviations(np.random.default_rng(0).random((50, len(geometry.names))))
    assert np.median(natural) > 0.02
    assert np.median(attack) > 0.02


def test_a_line_goes_on_where_nothing_was_seen():
    wrong = {"plain": [], "line": []}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x = GEOMETRY.columns(rng.random((400, len(GEOMETRY.names))))
        share = x[:, -1]
        y = 0.9 - 0.8 * share + 0.01 * rng.standard_normal(400)
        seen, far = np.flatnonzero(share < 0.45)[:8], share > 0.6
        for name, prior in (("plain", ProcessPrior()), ("line", LINE)):
            process = GaussianProcess(GEOMETRY.groups, prior=prior).fit(x[seen], y[seen])
            wrong[name].append(np.abs(process.predict(x[far]) - y[far]).mean())
    assert np.mean(wrong["line"]) < 0.5 * np.mean(wrong["plain"])


def test_an_uncertain_value_weighs_less():
    x, y = data(30)
    y = y.copy()
    y[3] += 3
    process = GaussianProcess(GEOMETRY.groups).fit(*data(30))
    trusting = process.condition(x, y).predict(x[[3]])[0]
    noise = np.ones(30)
    noise[3] = 100
    doubting = process.condition(x, y, noise).predict(x[[3]])[0]
    assert doubting < trusting - 0.1


def test_a_gain_is_the_hypervolume_with_a_point_less_that_without():
    rng = np.random.default_rng(0)
    natural, attack = rng.random((3, 12)), rng.random((3, 12))
    new_natural, new_attack = rng.random((3, 20)), rng.random((3, 20))
    gain = SampledFronts(natural, attack).improvement(new_natural, new_attack)
    for k in range(20):
        gains = [
            hypervolume(np.append(natural[w], new_natural[w, k]), np.append(attack[w], new_attack[w, k]))
            - hypervolume(natural[w], attack[w])
            for w in range(3)
        ]
        assert gain[k] == pytest.approx(np.mean(gains), abs=1e-12)


def test_a_gain_counts_from_the_reference_point_on_which_may_differ_between_samples():
    rng = np.random.default_rng(1)
    natural, attack = rng.random((3, 12)), rng.random((3, 12))
    new_natural, new_attack = rng.random((3, 30)), rng.random((3, 30))
    lowest, highest = 0.4, np.array([0.5, 0.7, 0.9])
    gain = SampledFronts(natural, attack, None, lowest, highest).improvement(new_natural, new_attack)
    assert (gain == 0).any() and (gain > 0).any()
    for k in range(30):
        gains = [
            hypervolume(np.append(natural[w], new_natural[w, k]), np.append(attack[w], new_attack[w, k]), lowest, top)
            - hypervolume(natural[w], attack[w], lowest, top)
            for w, top in enumerate(highest)
        ]
        assert gain[k] == pytest.approx(np.mean(gains), abs=1e-12)


def test_what_is_added_cannot_be_gained_again_and_nothing_is_gained_below_the_floor():
    natural, attack = np.array([[0.5, 0.8]]), np.array([[0.2, 0.6]])
    fronts = SampledFronts(natural, attack, floor=0.4)
    better = np.array([[0.7]]), np.array([[0.3]])
    assert fronts.improvement(*better)[0] == pytest.approx(0.2 * 0.3)
    assert fronts.improvement(np.array([[0.3]]), np.array([[0.0]]))[0] == 0
    fronts.add(better[0][:, 0], better[1][:, 0])
    assert fronts.improvement(*better)[0] == pytest.approx(0)


def test_accuracies_come_back_from_the_scale_of_equal_noise():
    accuracy = np.linspace(0, 1, 11)
    assert np.allclose(from_arcsine(to_arcsine(accuracy)), accuracy)
    assert from_arcsine(np.array([-0.2, 2.0])).tolist() == [0.0, 1.0]


def rows_of(laws: int, full: int, seed: int = 0, noise: float = 0.03):
    """Trials of which the first `full` ran to their end and all were looked at early."""
    geometry = Geometry(distributions(SPACE))
    rng = np.random.default_rng(seed)
    rows = []
    for k, unit in enumerate(rng.random((laws, len(geometry.names)))):
        params = geometry.params(unit)
        natural, cheap, attack = true_accuracies(law_from(SPACE, params))
        draw = noise * rng.standard_normal(4)
        row = {"params": params, "early_natural": natural[0] + draw[2], "early_attack": cheap[0] + draw[3]}
        if k < full:
            row |= {"natural": natural[2] + draw[0], "attack": attack + draw[1]}
        rows.append(row)
    return geometry, rows


def test_the_model_expects_what_is_true_better_than_it_was_measured():
    geometry, rows = rows_of(60, 60, noise=0.06)
    plain = [{k: v for k, v in row.items() if not k.startswith("early")} for row in rows]
    model = FrontModel(geometry).update(Observations.of(geometry, plain))
    natural, attack = model.expected(geometry.units([row["params"] for row in rows]))
    truths = [true_accuracies(law_from(SPACE, row["params"])) for row in rows]
    for found, measured, true in (
        (natural, [row["natural"] for row in rows], [t[0][2] for t in truths]),
        (attack, [row["attack"] for row in rows], [t[2] for t in truths]),
    ):
        assert np.sqrt(np.mean((found - true) ** 2)) < 0.8 * np.sqrt(np.mean((np.array(measured) - true) ** 2))


def test_early_looks_at_other_laws_teach_a_model_of_few_whole_trials():
    errors = {True: [], False: []}
    for seed in range(8):
        geometry, rows = rows_of(80, 6, seed)
        units = np.random.default_rng(99).random((200, len(geometry.names)))
        true = np.array([true_accuracies(law_from(SPACE, geometry.params(u)))[2] for u in units])
        for early in errors:
            shown = rows if early else [{k: v for k, v in r.items() if not k.startswith("early")} for r in rows[:6]]
            model = FrontModel(geometry).update(Observations.of(geometry, shown))
            errors[early].append(np.sqrt(np.mean((model.expected(units)[1] - true) ** 2)))
    assert np.mean(errors[True]) < np.mean(errors[False])


def test_a_model_needs_a_few_measured_trials():
    geometry, rows = rows_of(10, 1)
    assert not FrontModel(geometry).enough(Observations.of(geometry, rows))
    geometry, rows = rows_of(10, 2)
    assert FrontModel(geometry).enough(Observations.of(geometry, rows))


def journal_with(sampler: str, seed: int = 0) -> StudyJournal:
    setup = SearchSetup(
        sampler=sampler, trials=100, startup=6, repeats=0, min_accuracy_kept=None, min_accuracy=0.6, space=SPACE
    )
    return StudyJournal(None, "study", setup, seed, 30, references=False)


def measured(law, rng) -> dict:
    natural, _, attack = true_accuracies(law)
    natural, attack = np.clip([natural[2], attack] + 0.03 * rng.standard_normal(2), 0, 1)
    return {"natural_accuracy": float(natural), "attack_accuracy": float(attack)}


def test_the_sampler_finds_more_of_the_true_front_than_chance():
    reached = {}
    for sampler in ("nehvi", "random"):
        volumes = []
        for seed in range(3):
            journal, rng = journal_with(sampler, seed), np.random.default_rng(seed)
            laws = []
            for _ in range(25):
                asked = journal.ask()
                laws.append(asked.law)
                journal.tell(asked.number, "complete", measured(asked.law, rng))
            truths = [true_accuracies(law) for law in laws]
            volumes.append(hypervolume(np.array([t[0][2] for t in truths]), np.array([t[2] for t in truths])))
        reached[sampler] = np.mean(volumes)
    assert reached["nehvi"] > reached["random"]


def test_what_optuna_is_not_told_before_the_floor_is_known_teaches_the_sampler_all_the_same(tmp_path):
    def opened():
        setup = SearchSetup(sampler="nehvi", trials=100, startup=4, repeats=0, min_accuracy_kept=0.8, space=SPACE)
        return StudyJournal(tmp_path / "journal.log", "study", setup, 0, 30)

    def suggested(journal):
        law = journal.ask().law
        points = [share_spread_point(Geometry(journal.space), derive_seed(0, "sobol") % 2**32, k) for k in range(20)]
        return law not in [law_from(SPACE, with_min_probability(journal.space, point)) for point in points]

    journal, rng = opened(), np.random.default_rng(0)
    undefended, *others = [journal.ask() for _ in range(16)]
    assert undefended.reference == "no defence"
    for asked in others:
        journal.tell(asked.number, "complete", measured(asked.law, rng))
    assert journal.floor() is None
    assert not any(t.state.is_finished() for t in journal.main.trials)
    assert suggested(journal)
    sampler = journal.main.sampler.model
    best = max(t.user_attrs.get("natural_accuracy", 0) for t in journal.main.trials)
    assert len(sampler._observed) == 15
    assert sampler._floor(journal.main.trials) == pytest.approx(0.8 * best)
    # once it is told, nothing counts twice; and another process sees the same
    journal.tell(undefended.number, "complete", {"natural_accuracy": 0.9, "attack_accuracy": 0.8})
    assert journal.floor() == pytest.approx(0.72)
    journal.ask()
    assert len(sampler._observed) == 16
    assert sampler._floor(journal.main.trials) == pytest.approx(0.72)
    again = opened()
    while again.ask().again:
        pass
    assert len(again.main.sampler.model._observed) == 16


def test_suggestions_for_several_workers_at_once_are_different_laws():
    journal, rng = journal_with("nehvi"), np.random.default_rng(0)
    for _ in range(10):
        asked = journal.ask()
        journal.tell(asked.number, "complete", measured(asked.law, rng))
    batch = [journal.ask().law for _ in range(8)]
    points = np.array([[law.probability, *law.area] for law in batch])
    apart = np.abs(points[:, None] - points[None]).sum(2)[~np.eye(8, dtype=bool)]
    assert apart.min() > 1e-3


def test_the_same_study_gets_the_same_suggestion_from_another_process(tmp_path):
    def opened():
        setup = SearchSetup(sampler="nehvi", trials=30, startup=5, repeats=0, min_accuracy_kept=None, space=SPACE)
        return StudyJournal(tmp_path / "journal.log", "study", setup, 0, 30, references=False)

    journal, rng = opened(), np.random.default_rng(0)
    for _ in range(9):
        asked = journal.ask()
        journal.tell(asked.number, "complete", measured(asked.law, rng))
    first, second = (opened().main.sampler for _ in range(2))
    study = opened().main
    trial = study.ask(opened().space)
    frozen = study.get_trials(deepcopy=False)[trial.number]
    assert first.sample_relative(study, frozen, {}) == second.sample_relative(study, frozen, {})


def test_stopped_infeasible_and_failed_trials_tell_the_model_what_they_measured():
    journal = journal_with("random")
    states = [
        ("complete", {"natural_accuracy": 0.9, "attack_accuracy": 0.5}),
        ("infeasible", {"natural_accuracy": 0.3}),
        ("stopped", {"rungs": [[0.4, 0.2]], "reason": "stopped"}),
        ("stopped", {"natural_accuracy": 0.8, "attack_accuracy_so_far": 0.7, "attacked": 0.4, "reason": "stopped"}),
        ("failed", {"reason": "test"}),
    ]
    for state, record in states:
        journal.tell(journal.ask().number, state, record)
    trials = journal.main.get_trials()
    assert [t.state for t in trials[2:]] == [TrialState.PRUNED, TrialState.PRUNED, TrialState.FAIL]
    assert all(t.values is None for t in trials[2:])
    seen = Observations.of_trials(Geometry(distributions(SPACE)), [(t.params, t.user_attrs) for t in trials])
    nan = np.nan
    assert np.array_equal(seen.natural, [0.9, 0.3, nan, 0.8, nan], equal_nan=True)
    assert np.array_equal(seen.attack, [0.5, nan, nan, 0.7, nan], equal_nan=True)
    assert seen.attacked.tolist() == [1, 1, 1, 0.4, 1]
    assert seen.early_natural[2] == 0.4
