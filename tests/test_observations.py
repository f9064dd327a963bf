"""What the front model is told of trials is the same, wherever their records are kept."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mi_tune.search.geometry import Geometry
from mi_tune.search.observations import Observations
from mi_tune.search.space import distributions
from mi_tune.setup import Space

GEOMETRY = Geometry(distributions(Space(probability=(0.0, 1.0), area_low=0.1, area_span=0.1)))
POINTS = [GEOMETRY.params(unit) for unit in np.random.default_rng(0).random((6, len(GEOMETRY.names)))]
RECORDS = [
    {"state": "complete", "natural_accuracy": 0.9, "attack_accuracy": 0.5, "rungs": [[0.4, 0.2], [0.6, 0.3]]},
    {"state": "infeasible", "natural_accuracy": 0.3},
    {"state": "infeasible", "natural_accuracy": 0.2, "attack_accuracy": 0.1},
    {"state": "stopped", "rungs": [[0.4, 0.1]]},
    {"state": "stopped", "natural_accuracy": 0.8, "attack_accuracy_so_far": 0.7, "attacked": 0.4},
    {"state": "failed", "natural_accuracy": 0.1, "attack_accuracy": None, "reason": "test"},
]
NAN = np.nan


def equal(one: Observations, two: Observations) -> bool:
    pairs = zip(dataclasses.astuple(one), dataclasses.astuple(two), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def test_every_state_teaches_what_it_measured():
    seen = Observations.of_trials(GEOMETRY, zip(POINTS, RECORDS, strict=True))
    assert np.array_equal(seen.units, GEOMETRY.units(POINTS))
    assert np.array_equal(seen.natural, [0.9, 0.3, 0.2, NAN, 0.8, NAN], equal_nan=True)
    assert np.array_equal(seen.attack, [0.5, NAN, 0.1, NAN, 0.7, NAN], equal_nan=True)
    assert seen.attacked.tolist() == [1, 1, 1, 1, 0.4, 1]
    assert np.array_equal(seen.early_natural, [0.4, NAN, NAN, 0.4, NAN, NAN], equal_nan=True)
    assert np.array_equal(seen.early_attack, [0.2, NAN, NAN, 0.1, NAN, NAN], equal_nan=True)


def test_an_attack_below_the_floor_can_be_left_out():
    some, whole = (
        Observations.of_trials(GEOMETRY, zip(POINTS, RECORDS, strict=True), attack_below_floor=kept)
        for kept in (False, True)
    )
    assert np.isnan(some.attack[2]) and whole.attack[2] == 0.1
    assert equal(some.take(np.array([0, 1, 3, 4, 5])), whole.take(np.array([0, 1, 3, 4, 5])))


@pytest.mark.parametrize("floor", [True, False])
def test_rows_of_the_table_teach_the_same_as_the_journals_records(floor: bool):
    measured = RECORDS[:3]
    journal = [{name: value for name, value in record.items() if name != "rungs"} for record in measured]
    table = pd.DataFrame(journal)
    rows = [row for _, row in table.iterrows()]
    told = (Observations.of_trials(GEOMETRY, zip(POINTS, records, strict=False), floor) for records in (journal, rows))
    assert equal(*told)


def test_no_trials_are_no_observations():
    assert len(Observations.of_trials(GEOMETRY, [])) == 0
