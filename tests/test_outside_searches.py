"""Searches of other frameworks in the replay. What needs the frameworks themselves is skipped where they are absent."""

import itertools
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from synthetic_table import SPACE, make_table

from mi_tune.erasing import NO_DEFENCE, REFERENCE_LAWS
from mi_tune.replay.outside import OUTSIDE_METHODS
from mi_tune.replay.outside.framework import FrameworkSampler, OutsideStudy, OwnRandomState
from mi_tune.replay.registry import make_search, method_name
from mi_tune.replay.search_methods import SimulatedStudy
from mi_tune.replay.simulator import simulate
from mi_tune.replay.surface import Surface
from mi_tune.runtime.errors import InputError
from mi_tune.search.halving import ranks
from mi_tune.search.samplers import sobol_points
from mi_tune.search.space import distributions, params_of
from mi_tune.study.journal import Asked
from studies.benchmarks.search_benchmark import benchmark


@pytest.fixture(scope="module")
def surface() -> Surface:
    return Surface(*make_table(60))


@pytest.fixture(scope="module")
def narrow() -> Surface:
    """Of a space that holds neither no defence nor MIDRE."""
    rows, about = make_table(60)
    return Surface(rows, about | {"space": about["space"] | {"probability": [0.2, 0.9]}})


# -------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(("name", "package"), [("ax", "ax-platform"), ("syne-moasha-ordered", "syne-tune")])
def test_a_framework_that_is_not_installed_is_one_line_that_says_how_to_get_it(surface, monkeypatch, name, package):
    for module in ("ax", "syne_tune"):
        monkeypatch.setitem(sys.modules, module, None)
    tries = [
        lambda: method_name(name),
        lambda: make_search(name, surface, 0),
        lambda: CliRunner().invoke(benchmark, ["--methods", f"random,{name}"], catch_exceptions=False),
    ]
    for ask in tries:
        with pytest.raises(InputError, match=rf"'{name}' needs {package}.*mi_tune\[outside\]") as caught:
            ask()
        assert "\n" not in str(caught.value)


def test_unknown_names_are_told_from_ours_and_from_other_frameworks(surface):
    assert method_name(" nehvi + race") == "nehvi+race"
    assert type(make_search("random+race", surface, 0)) is SimulatedStudy
    for text, hint in (("syne-moash", "syne-moasha"), ("nehv", "nehvi"), ("random+moash", "moasha")):
        with pytest.raises(InputError, match=f"did you mean.*{hint}"):
            method_name(text)
    with pytest.raises(InputError, match=r"leave out \+repeat"):
        method_name("ax + repeat")


# ------------------------------------------------------------------------------- what every framework is told of


class Recorder:
    """A framework that suggests points of a Sobol sequence and remembers what it was told."""

    def __init__(self, seed=3):
        self.points = (p for k in itertools.count() for p in sobol_points(distributions(SPACE), seed, k, 1))
        self.floors, self.events, self.told = [], [], {}

    def learn_floor(self, floor):
        self.floors.append(floor)

    def suggest(self, number):
        self.events.append(("suggest", number))
        return next(self.points)

    def attach(self, number, params):
        self.events.append(("attach", number))

    def tell(self, number, natural, attack):
        self.told[number] = (natural, attack)

    def drop(self, number):
        self.told[number] = None


def test_references_of_the_space_are_attached_before_anything_is_suggested(surface):
    framework = Recorder()
    simulate(surface, OutsideStudy(framework, surface, 0, 0.8), 3, 12 * surface.mean_seconds(), 0)
    assert framework.events[:5] == [*(("attach", k) for k in range(4)), ("suggest", 4)]


def test_references_outside_the_space_count_and_are_not_told(narrow):
    framework = Recorder()
    framework.points = (p for k in itertools.count() for p in sobol_points(distributions(narrow.space), 3, k, 1))
    study = OutsideStudy(framework, narrow, 0, 0.8)
    trace = simulate(narrow, study, 1, 10 * narrow.mean_seconds(), 0)
    outside = [name for name, law in REFERENCE_LAWS.items() if params_of(narrow.space, law) is None]
    assert len(outside) == 3
    assert [kind for kind, _ in framework.events[:2]] == ["attach", "suggest"]
    assert {asked.reference for n, asked in study.asked.items() if n in study.journal.repeats.laws} >= set(outside)
    assert len(framework.told) == len(trace.events) - 3


def test_a_framework_hears_of_the_floor_first_and_of_no_attack_that_was_not_made(surface):
    framework = Recorder()
    study = OutsideStudy(framework, surface, 0, 0.95)
    simulate(surface, study, 1, 30 * surface.mean_seconds(), 0)
    assert framework.floors[0] is None
    assert set(framework.floors[1:]) == {study.journal.floor()}
    told = framework.told.items()
    below = [n for n, (natural, attack) in told if natural < study.journal.floor() and attack is None]
    assert len(below) >= 2
    assert all(attack is not None for n, (_, attack) in told if n not in below)


def test_a_framework_hears_of_a_trial_when_it_is_over_also_before_the_floor_is_known(surface):
    framework = Recorder()
    study = OutsideStudy(framework, surface, 0, 0.8)
    undefended, *others = [study.ask() for _ in range(7)]
    assert undefended.law == NO_DEFENCE
    for k, asked in enumerate(others):
        study.tell(asked.number, "complete", {"natural_accuracy": 0.9, "attack_accuracy": 0.1 * k})
    assert study.journal.floor() is None
    assert list(framework.told.values()) == [(0.9, pytest.approx(0.1 * k)) for k in range(6)]
    study.tell(undefended.number, "complete", {"natural_accuracy": 0.95, "attack_accuracy": 0.9})
    assert len(framework.told) == 7


def test_a_value_that_was_carried_over_an_end_is_brought_back():
    space = {"a": FloatDistribution(1.0, 3.3, log=True), "b": CategoricalDistribution(["x", "y"])}
    space |= {"n": IntDistribution(1, 4)}
    framework = Recorder()
    framework.suggest = lambda number: {"a": 3.3000000000000003, "b": "y", "n": np.int64(4)}
    sampler = FrameworkSampler(space, framework)
    found = sampler.sample_relative(None, _Numbered(), space)
    assert found == {"a": 3.3, "b": "y", "n": 4}
    assert type(found["n"]) is int


class _Numbered:
    number = 0


def test_draws_of_one_search_are_apart_from_all_others():
    def both():
        return np.random.random(), torch.rand(()).item()  # noqa: NPY002

    def seeded():
        np.random.seed(5)  # noqa: NPY002
        torch.manual_seed(5)

    seeded()
    alone = [both() for _ in range(2)]
    draws = OwnRandomState(0)
    seeded()
    mixed, own = [], []
    for _ in range(2):
        mixed.append(both())
        with draws():
            own.append(both())
    assert mixed == alone
    with OwnRandomState(0)():
        assert [both() for _ in range(2)] == own
    assert own != alone


# ----------------------------------------------------------------------------------------------------- Syne Tune


def test_the_order_that_syne_tune_ships_is_not_that_of_the_points():
    priorities = pytest.importorskip("syne_tune.optimizer.schedulers.multiobjective.multiobjective_priority")
    from mi_tune.replay.outside.syne_halving import OrderedPriority

    losses = np.array([[3.0, 3.0], [1.0, 1.0], [2.0, 2.0]])
    assert priorities.NonDominatedPriority()(losses).tolist() == [1, 2, 0]
    assert OrderedPriority()(losses).tolist() == [2, 0, 1]
    rng = np.random.default_rng(0)
    for n in (1, 2, 9, 30):
        some = rng.random((n, 2))
        assert OrderedPriority()(some).tolist() == ranks(some).tolist()


def test_halving_has_its_rungs_where_the_table_has_looks_and_stops_no_reference(surface):
    pytest.importorskip("syne_tune")
    study = make_search("syne-moasha", surface, 0)
    assert [level for level, _ in study.scheduler.brackets[0].rungs] == [9, 3, 1]
    simulate(surface, study, 4, 20 * surface.mean_seconds(), 0)
    table = study.journal.table()
    assert set(table.reference[table.state == "complete"]) >= set(REFERENCE_LAWS)
    rungs = dict(study.scheduler.brackets[0].rungs)
    looked = set(table.trial[table.state != "running"])
    assert looked <= set(rungs[1])
    assert not set(study.running) & looked


def test_with_the_right_order_those_that_go_on_are_the_better_ones(surface):
    pytest.importorskip("syne_tune")
    share = {}
    for name in ("syne-moasha", "syne-moasha-ordered"):
        study = make_search(name, surface, 0)
        rng = np.random.default_rng(0)
        losses = rng.random((120, 2))
        study.asked = {n: Asked(n, NO_DEFENCE, "", None, False) for n in range(120)}
        went_on = [study.goes_on(n, 0, -a, b) for n, (a, b) in enumerate(losses)]
        share[name] = ranks(losses)[went_on].mean() / ranks(losses).mean()
    # places of those that went on against those of all: 1 is chance
    assert share["syne-moasha-ordered"] < 0.5
    assert share["syne-moasha"] > 0.8


def test_as_shipped_values_that_come_out_of_turn_are_paired_with_other_laws(surface):
    pytest.importorskip("botorch")
    pytest.importorskip("syne_tune")
    from mi_tune.replay.outside.syne_bayesian import SYNE_REFERENCE_VALUE, BayesianFramework

    for righted in (False, True):
        framework = BayesianFramework(surface, 0, righted)
        suggested = [framework.suggest(number) for number in (0, 2, 3)]
        framework.tell(3, 0.0, 1.0)
        framework.tell(0, 0.9, 0.25)
        assert framework.searcher._configs_with_results() == [suggested[0], suggested[2]]
        assert framework.searcher._configs_pending() == [suggested[1]]
        values = framework.searcher.objectives()
        if righted:
            assert values[0] == pytest.approx([-0.9 + SYNE_REFERENCE_VALUE, 0.25 - 3])
            # the worst that can be is where the searcher has its reference point
            assert values[1] == pytest.approx([SYNE_REFERENCE_VALUE, SYNE_REFERENCE_VALUE])
        else:
            assert values.tolist() == [[-0.0, 1.0], [-0.9, 0.25]]


# ------------------------------------------------------------------------------------------------------------ Ax


def test_ax_knows_what_runs_and_what_is_asked_for(surface):
    pytest.importorskip("ax")
    from mi_tune.replay.outside.ax_client import AxFramework

    framework = AxFramework(distributions(surface.space), 0)
    framework.learn_floor(0.7)
    framework.attach(5, params_of(surface.space, REFERENCE_LAWS["no defence"]))
    framework.suggest(6)
    framework.suggest(9)
    framework.tell(6, 0.6, None)
    experiment = framework.client._experiment
    states = [trial.status.name for trial in experiment.trials.values()]
    assert states == ["RUNNING", "COMPLETED", "RUNNING"]
    assert experiment.lookup_data().df.metric_name.isin(["natural", "kept"]).tolist() == [True, True]
    aim = experiment.optimization_config
    assert "kept >= 0.7" in str(aim.outcome_constraints)
    assert {str(t.expression) for t in aim.objective_thresholds} == {"natural >= 0.0", "attack <= 1.0"}


# ------------------------------------------------------------------------------------------------- whole studies


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTSIDE_METHODS)
def test_a_short_study_of_every_framework_runs_to_its_end(surface, monkeypatch, name):
    for _, module in OUTSIDE_METHODS[name].needs:
        pytest.importorskip(module)
    for module in ("ax_client", "syne_bayesian"):
        if name.startswith(module.split("_")[0]) and "moasha" not in name:
            monkeypatch.setattr(f"mi_tune.replay.outside.{module}.STARTUP", 3)
    study = make_search(name, surface, 0)
    trace = simulate(surface, study, 3, 10 * surface.mean_seconds(), 0)
    asked = list(study.asked.values())
    assert [a.reference for a in asked[:4]] == list(REFERENCE_LAWS)
    assert len(asked) > 9
    # also what was pending when another was asked for
    assert len({a.law for a in asked}) == len(asked)
    laws, claimed = study.recommend()
    assert laws
    assert 0 < claimed <= 1
    assert {repr(law) for law in laws} <= {repr(study.asked[number].law) for number in study.measured()}
    assert trace.events.hypervolume.iloc[-1] > 0.4


@pytest.mark.parametrize("name", ["syne-moasha", "syne-moasha-ordered"])
def test_the_same_seed_gives_the_same_study_whatever_else_draws(surface, name):
    pytest.importorskip("syne_tune")
    studies = []
    for noise in (1, 2):
        np.random.seed(noise)  # noqa: NPY002
        studies.append(simulate(surface, make_search(name, surface, 4), 2, 15 * surface.mean_seconds(), 4).events)
    assert studies[0].equals(studies[1])
