"""A confirmation read from its folder: what was measured, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml
from synthetic_confirmation import (
    CLASSES,
    KEPT,
    POINTS,
    law,
    table,
    write_confirmation,
)
from synthetic_study import write_study

from analysis.statistics import load_confirmation
from mi_tune.runtime.errors import InputError


def test_hits_are_those_of_the_table_in_their_place(confirmed_folder, confirmation):
    hits = confirmation.hits("trial 2", "taa:reduced", "second")
    assert hits.shape == (3, CLASSES, KEPT)
    rows = table(confirmed_folder, "hits")
    wide = rows[(rows.point == "trial 2") & (rows.attack == "taa:reduced")]
    expected = wide.sort_values(["seed", "class", "image"]).second.to_numpy(float).reshape(3, CLASSES, KEPT)
    assert (hits == expected).all()


def test_test_images_that_a_person_lacks_are_nan_in_the_same_order_under_every_seed(confirmed_folder, confirmation):
    correct = confirmation.natural_correct("trial 2")
    assert correct.shape == (3, CLASSES, 11)
    assert np.isnan(correct).sum() == 3 * (CLASSES - 1)
    rows = table(confirmed_folder, "natural")
    rows = rows[(rows.point == "trial 2") & (rows["class"] == 0)].sort_values(["seed", "image"])
    assert (correct[:, 0] == rows.correct.to_numpy(float).reshape(3, 11)).all()


@pytest.mark.parametrize(
    ("judges", "expected"),
    [
        (("searching", "embedding", "second"), "second"),
        (("second", "searching"), "second"),
        (("searching", "embedding"), "embedding"),
        (("searching",), "searching"),
    ],
)
def test_the_headline_judge_is_a_second_classifier_if_there_is_one(tmp_path, judges, expected):
    found = load_confirmation(write_confirmation(tmp_path / "known", judges=dict.fromkeys(judges, 0.0)))
    assert found.headline.name == expected
    assert [judge.name for judge in found.judges] == list(judges)


def test_a_study_that_was_not_confirmed_says_how_to_confirm_it(tmp_path):
    folder = write_study(tmp_path / "known")
    with pytest.raises(InputError, match=r"not confirmed to the end; run python studies/confirm\.py"):
        load_confirmation(folder)
    with pytest.raises(InputError, match="no such folder"):
        load_confirmation(tmp_path / "nowhere")


def test_a_confirmation_that_was_cut_off_is_none(tmp_path):
    folder = write_confirmation(tmp_path / "known")
    (folder / "confirmation" / "confirmation.yaml").unlink()
    with pytest.raises(InputError, match="not confirmed to the end"):
        load_confirmation(folder)


def test_damaged_files_are_one_clear_line_that_names_the_culprit(tmp_path):
    folder = write_confirmation(tmp_path / "known")
    place = folder / "confirmation"

    def damaged(name: str, change, message: str) -> None:
        whole = (place / name).read_bytes()
        change(place / name)
        with pytest.raises(InputError, match=message) as caught:
            load_confirmation(folder)
        assert "\n" not in str(caught.value)
        (place / name).write_bytes(whole)

    def without(column):
        return lambda path: pd.read_parquet(path).drop(columns=column).to_parquet(path)

    def setting(**changes):
        return lambda path: path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))

    damaged("hits.parquet", lambda path: path.unlink(), "cannot be read")
    damaged("hits.parquet", lambda path: path.write_bytes(b"PAR1"), "cannot be read")
    damaged("hits.parquet", without("second"), r"hits\.parquet lacks column second")
    damaged("attacks.parquet", without("reason"), r"attacks\.parquet lacks column reason")
    damaged("confirmation.yaml", lambda path: path.write_text("- 1"), r"confirmation\.yaml lacks study")
    damaged("confirmation.yaml", lambda path: path.write_text("{"), "cannot be read")
    damaged("confirmation.yaml", setting(judges=[]), "names no judge")
    damaged("confirmation.yaml", setting(judges=[{"name": "x"}]), "without 'held_out'")
    damaged("confirmation.yaml", setting(seeds=2), "seed outside 0 to 1")
    damaged("confirmation.yaml", setting(data={"identities": 4}), "class outside 0 to 3")
    keep = lambda path, wanted: (rows := pd.read_parquet(path))[wanted(rows)].to_parquet(path)  # noqa: E731
    damaged("targets.parquet", lambda p: keep(p, lambda rows: rows.point != "trial 2"), "no row of 'trial 2'")
    damaged("ceilings.parquet", lambda p: keep(p, lambda rows: rows["class"] != 3), "lacks a class of judge searching")
    load_confirmation(folder)


def test_a_confirmation_of_another_study_is_refused(tmp_path):
    folder = write_confirmation(tmp_path / "known", (*POINTS, law("trial 99", 0.8, 0.5, trial=99)))
    with pytest.raises(InputError, match="no trial 99; this confirms another one"):
        load_confirmation(folder)


def test_without_an_undefended_point_there_is_nothing_to_compare_with(tmp_path):
    folder = write_confirmation(tmp_path / "known", POINTS[1:])
    with pytest.raises(InputError, match="no point without defence"):
        load_confirmation(folder)
