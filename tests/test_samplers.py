"""Samplers: the promises that each keeps, and a user's own by its import path."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import own_samplers
import pytest

from mi_tune.runtime.errors import InputError
from mi_tune.search.contracts import check_sampler_contract
from mi_tune.search.samplers import SAMPLERS, SobolStart, check_sampler, make_sampler
from mi_tune.search.space import distributions
from mi_tune.setup import Space, make_setup
from mi_tune.study.journal import StudyJournal

FILE = Path(__file__).with_name("own_samplers.py")
SPACE = distributions(Space())


def by_name(name: str, space: dict, seed: int):
    return make_sampler(name, space, seed, startup=3)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_keeps_the_contract(name):
    check_sampler_contract(partial(by_name, name), SPACE)


@pytest.mark.parametrize("make", [own_samplers.plain, own_samplers.Fixed])
def test_an_own_sampler_can_be_put_through_the_contract(make):
    check_sampler_contract(make, SPACE)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (own_samplers.Unseeded, "Unseeded: two samplers of one seed propose different laws"),
        (own_samplers.Impatient, r"Impatient: fails in a search \(TypeError: 'NoneType' object is not subscriptable\)"),
    ],
)
def test_a_sampler_that_breaks_a_promise_is_told_which(make, message):
    with pytest.raises(InputError, match=message):
        check_sampler_contract(make, SPACE)


def test_a_study_searches_with_an_own_sampler_behind_the_sobol_points():
    search = make_setup(
        {"search": {"sampler": f"{FILE}:Fixed", "trials": 12, "startup": 2, "repeats": 0}}, "test"
    ).search
    journal = StudyJournal(None, "own", search, seed=3, people=30)
    sampler = journal.main.sampler
    assert isinstance(sampler, SobolStart)
    assert sampler.model.kind.__name__ == "Fixed"
    laws = []
    while journal.remaining():
        asked = journal.ask()
        laws.append(asked.law)
        journal.tell(asked.number, "complete", {"natural_accuracy": 0.5, "attack_accuracy": 0.5})
    assert len(laws) == 12
    assert len({law.area for law in laws}) > 6


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{FILE}:nothing", r"returns a str, not a sampler"),
        (f"{FILE}:plan", r"has no factory 'plan'; did you mean plain"),
        ("nowhere.py:make", r"nowhere\.py:make': no such file"),
        ("nsgaii", r"unknown sampler 'nsgaii'; did you mean nsga"),
    ],
)
def test_what_is_no_sampler_is_refused_in_one_line(name, message):
    with pytest.raises(InputError, match=message) as caught:
        by_name(name, SPACE, 0)
    assert "\n" not in str(caught.value)


def test_the_file_of_an_own_sampler_is_looked_for_before_anything_is_computed(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        check_sampler(f"{tmp_path / 'gone.py'}:make")
