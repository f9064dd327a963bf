"""A model of many trials, and a search among very many workers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_tune.search.condense import group_means, nearest_representative, select_representatives
from mi_tune.search.front_model import MAX_POINTS, FrontModel
from mi_tune.search.geometry import Geometry
from mi_tune.search.nehvi import NoisyImprovementSampler
from mi_tune.search.observations import Observations
from mi_tune.search.space import distributions
from mi_tune.setup import SearchSetup, Space
from mi_tune.study.journal import StudyJournal

SPACE = Space(probability=(0.2, 1.0), area_low=(0.02, 0.5), area_span=(0.0, 0.3), aspect_max=1.0, fill=["mean"])
GEOMETRY = Geometry(distributions(SPACE))


def truth(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Natural and attack accuracy: smooth, and best along one line of the cube."""
    erased, off = units[:, 0], ((units[:, 1:3] - 0.6) ** 2).sum(1)
    return 0.95 - 0.3 * erased**2 - 0.3 * off, 0.9 - 0.7 * erased + 0.3 * off


def observed(n: int, seed: int = 0, noise: float = 0.05) -> Observations:
    rng = np.random.default_rng(seed)
    units = rng.random((n, len(GEOMETRY.names)))
    natural, attack = (np.clip(a + noise * rng.standard_normal(n), 0, 1) for a in truth(units))
    nothing = np.full(n, np.nan)
    return Observations(units, natural, attack, np.ones(n), nothing, nothing)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(0, 1000))
def test_centres_are_different_trials_and_each_trial_belongs_to_the_nearest(n, seed):
    rng = np.random.default_rng(seed)
    columns, losses = rng.random((n, 3)), rng.random((n, 2))
    losses[rng.random(n) < 0.3] = np.nan
    columns[n // 2 :] = columns[: n - n // 2]  # laws that ran again
    count = int(rng.integers(1, n + 1))
    chosen = select_representatives(columns, losses, count)
    assert len(set(chosen.tolist())) == count
    belongs = nearest_representative(columns, chosen)
    distance = ((columns[:, None] - columns[chosen]) ** 2).sum(2)
    assert np.allclose(distance[np.arange(n), belongs], distance.min(1))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(0, 1000))
def test_means_of_groups_are_those_of_their_members(n, seed):
    rng = np.random.default_rng(seed)
    values, weights, belongs = rng.random(n), rng.random(n) + 0.1, rng.integers(0, 5, n)
    values[rng.random(n) < 0.3] = np.nan
    mean, weight = group_means(values, weights, belongs, 5)
    for group in range(5):
        mine = (belongs == group) & np.isfinite(values)
        assert weight[group] == pytest.approx(weights[mine].sum())
        if mine.any():
            assert mean[group] == pytest.approx(np.average(values[mine], weights=weights[mine]))
        else:
            assert np.isnan(mean[group])


def test_a_model_of_many_trials_knows_more_than_one_of_as_many_as_it_holds():
    many = observed(8 * MAX_POINTS)
    at = np.random.default_rng(1).random((300, len(GEOMETRY.names)))
    errors = {}
    for name, some in (("all", many), ("as many", many.take(np.arange(MAX_POINTS)))):
        natural, attack = FrontModel(GEOMETRY).update(some).expected(at)
        errors[name] = [np.sqrt(np.mean((a - b) ** 2)) for a, b in zip((natural, attack), truth(at), strict=True)]
    assert np.all(np.array(errors["all"]) < 0.75 * np.array(errors["as many"]))


def test_laws_that_were_bad_long_ago_are_remembered():
    # the first trials saw everything, thousands of later ones only the good corner
    first, later = observed(300), observed(3000, seed=1)
    later.units[:, 1:3] = 0.55 + 0.1 * later.units[:, 1:3]
    later.natural[:], later.attack[:] = truth(later.units)
    model = FrontModel(GEOMETRY).update(first.joined(later))
    bad = np.random.default_rng(2).random((200, len(GEOMETRY.names)))
    bad[:, 1:3] *= 0.2
    natural, attack = model.expected(bad)
    assert np.abs(natural - truth(bad)[0]).mean() < 0.03
    assert np.abs(attack - truth(bad)[1]).mean() < 0.03


def journal_of(startup: int = 10) -> StudyJournal:
    setup = SearchSetup(sampler="nehvi", trials=10**6, startup=startup, repeats=0, min_accuracy_kept=None, space=SPACE)
    return StudyJournal(None, "study", setup, 0, 30, references=False)


def tell(journal: StudyJournal, number: int, params: dict) -> None:
    natural, attack = truth(GEOMETRY.units([params]))
    journal.tell(number, "complete", {"natural_accuracy": float(natural[0]), "attack_accuracy": float(attack[0])})


def test_beside_hundreds_of_running_trials_the_model_still_suggests_and_every_law_is_another():
    journal = journal_of()
    out = [journal.ask() for _ in range(200)]
    for asked in out[:40]:
        tell(journal, asked.number, journal.main.get_trials(deepcopy=False)[asked.number].params)
    new = [journal.ask() for _ in range(40)]
    trials = journal.main.get_trials(deepcopy=False)
    units = GEOMETRY.units([trials[asked.number].params for asked in new])
    apart = np.abs(units[:, None] - units[None]).sum(2)[~np.eye(40, dtype=bool)]
    assert apart.min() > 1e-6
    # chance would be 0.32 from the best line on average
    assert np.abs(units[:, 1:3] - 0.6).mean() < 0.2


def test_worlds_are_kept_until_enough_has_come_back(monkeypatch):
    drawn = []
    update = FrontModel.update
    monkeypatch.setattr(FrontModel, "update", lambda model, some: drawn.append(len(some)) or update(model, some))
    journal = journal_of()
    out = [journal.ask() for _ in range(400)]
    for asked in out[:16]:
        tell(journal, asked.number, journal.main.get_trials(deepcopy=False)[asked.number].params)
        journal.ask()
    assert drawn == list(range(2, 17, 2))
    assert isinstance(journal.main.sampler.model, NoisyImprovementSampler)
