"""Laws of the front at an end of a searched range."""

import pytest
from synthetic_study import trial, write_study

from analysis.statistics import load_study
from analysis.statistics.edges import edges
from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw

NONE = trial(0, 0.95, 0.90, reference="no defence", law=REFERENCE_LAWS["no defence"])


def study(folder, areas, probability=1.0):
    laws = [ErasingLaw(probability, area=(area, area + 0.1), fill="mean") for area in areas]
    records = [trial(number, 0.9 - number / 100, 0.8 - number / 20, law=law) for number, law in enumerate(laws, 1)]
    return load_study(write_study(folder, [NONE, *records]))


def test_a_front_at_the_end_of_a_range_is_told_with_its_value(tmp_path):
    (edge,) = edges(study(tmp_path / "s", [0.7, 0.7, 0.695, 0.3]))
    assert (edge.parameter, edge.laws, edge.of) == ("area_low", 3, 4)
    assert edge.end == pytest.approx(0.7)
    assert "search.space.area_low" in edge.sentence


def test_a_front_inside_the_ranges_has_nothing_to_tell(tmp_path):
    assert edges(study(tmp_path / "s", [0.3, 0.4, 0.5, 0.6])) == []


def test_an_end_that_no_law_can_pass_is_not_told(tmp_path):
    # all of them erase in every image, more than which there is not
    assert not [e for e in edges(study(tmp_path / "s", [0.3, 0.4, 0.5])) if e.parameter == "probability"]


def test_few_laws_at_an_end_say_nothing(tmp_path):
    assert edges(study(tmp_path / "s", [0.7, 0.7])) == []
