"""Where along the front a search spends its trials: what is counted, and what the command prints."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from synthetic_table import make_table

from mi_tune.erasing import ErasingLaw
from mi_tune.runtime.errors import InputError
from studies.benchmarks.search_spread import COUNTED, VALUES, from_front, in_corner, largest_gap, spread


def test_the_corner_holds_laws_that_nearly_always_erase_and_reach_large_areas():
    law = lambda probability, high: ErasingLaw(probability=probability, area=(0.1, high))  # noqa: E731
    assert in_corner(law(1.0, 0.8))
    assert not in_corner(law(0.8, 0.8)) and not in_corner(law(1.0, 0.6))


def test_a_gap_is_between_laws_of_the_front_or_to_its_ends():
    natural, attack = np.array([0.6, 0.8, 0.7]), np.array([0.2, 0.5, 0.6])  # the last is dominated
    assert largest_gap(natural, attack, 0.5, 0.9) == pytest.approx(0.5)
    assert largest_gap(natural[:1], attack[:1], 0.5, 0.9) == pytest.approx(0.75)
    assert largest_gap(np.empty(0), np.empty(0), 0.5, 0.9) == 1
    assert largest_gap(np.array([0.95]), np.array([0.3]), 0.5, 0.9) == 1


def test_the_reference_of_the_front_leaves_out_what_lies_below_the_floor():
    natural, attack = np.array([[0.9, 0.8, 0.5], [0.4, 0.5, 0.3]]), np.array([[0.7, 0.3, 0.9], [0.7, 0.3, 0.9]])
    lowest, highest = from_front(natural, attack, 0.6)
    assert lowest == 0.6
    assert highest.tolist() == [0.7, 1.0]  # where nothing is above the floor, everything counts
    assert from_front(natural, attack, None)[0] == 0


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    stem = tmp_path_factory.mktemp("tables") / "small"
    rows, about = make_table(40)
    rows.to_parquet(stem.with_suffix(".parquet"))
    stem.with_suffix(".yaml").write_text(yaml.safe_dump(about))
    return stem.with_suffix(".parquet")


def test_reference_points_are_compared_and_an_unknown_one_is_refused(table):
    options = ["--table", str(table), "--repetitions", "2", "--cost", "14", "--trials", "12", "--processes", "1"]
    result = CliRunner().invoke(spread, options, catch_exceptions=False)
    assert result.exit_code == 0
    for text in (*COUNTED, *VALUES.values()):
        assert text in result.output
    with pytest.raises(InputError, match="floor"):
        CliRunner().invoke(spread, [*options, "--counted", "usual,flor"], catch_exceptions=False)
