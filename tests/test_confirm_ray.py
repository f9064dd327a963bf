"""A study confirmed on a local Ray, and what is refused before anything is trained."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import assert_provenance, make_bank, write_image_folder
from rich.console import Console

from analysis.pages import write_confirmation_report
from analysis.pages.mechanism import ways
from analysis.statistics import load_confirmation
from analysis.statistics.comparisons import compare
from analysis.statistics.evidence import draw_evidence
from analysis.statistics.verdict import WORDS, verdicts
from mi_tune.confirmation.plan import Plan
from mi_tune.confirmation.run import ConfirmOptions, confirm
from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup
from mi_tune.study.run import RunOptions, run_study

pytestmark = [pytest.mark.ray, pytest.mark.slow]

TINY = {
    "name": "tiny",
    "data": {"source": "folder", "resolution": 16, "split": [0.5, 0.25, 0.25]},
    "target": {"epochs": 4, "report_every": 2, "flip": False},
    "prior": {"samples": 50},
    "judge": {"epochs": 4, "verifier_views": 200},
    "search": {"trials": 6, "startup": 1, "sampler": "random", "min_accuracy_kept": 0.0},
}
PLAN = Plan(2, portfolio=("ppa:reduced", "eot_re:reduced"), ladder=(), controls=("ppa:reduced",))
OPTIONS = ConfirmOptions(PLAN, points=1, augmentations=False, workers=2)
PEOPLE = 5


@pytest.fixture(scope="module")
def cache(one_ray: Path) -> Path:
    return one_ray


@pytest.fixture(autouse=True)
def _cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MI_TUNE_CACHE", str(cache))


@pytest.fixture(scope="module")
def study(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("studies")
    folders = {
        "data.private": str(write_image_folder(make_bank(PEOPLE, images=8), root / "private")),
        "data.public": str(write_image_folder(make_bank(8, seed=1), root / "public")),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MI_TUNE_CACHE", str(cache))
        setup = make_setup(TINY, "test", folders)
        assert run_study(setup, 0, root / "tiny", RunOptions(workers=2), Console(quiet=True)).finished
    return root / "tiny"


def copied(study: Path, to: Path) -> Path:
    return Path(shutil.copytree(study, to / "tiny", ignore=shutil.ignore_patterns("ray", "confirmation")))


def test_a_study_is_confirmed_from_fresh_seeds_to_verdicts_and_found_again(study):
    said = io.StringIO()
    folder = confirm(study, OPTIONS, Console(file=said, width=200))
    assert "5 people are few" in said.getvalue()
    found = load_confirmation(study)
    assert_provenance(found.config)
    assert [judge.saw_private for judge in found.judges] == [True, True, False, False]
    assert found.headline.name == found.judges[1].name
    laws = [law.name for law in found.laws]
    assert laws[0] == "no defence"
    assert len(laws) == 6  # five reference points and one law of the search
    assert set(found.tables["targets"].groupby("point").size()) == {2}
    # seeds that the search never had give other targets than it trained
    assert found.tables["targets"].key.nunique() == len(found.tables["targets"])
    for point in found.points:
        assert set(found.attacks_on(point.name)) == set(PLAN.controls if point.is_control else PLAN.portfolio)
    assert set(ways(found, "eot_re:reduced", "verifier")) == set(laws)
    evidence = draw_evidence(found)
    words = {verdict.law: verdict.word for verdict in verdicts(evidence, compare(evidence))}
    assert set(words) == set(laws) - {"no defence"}
    assert set(words.values()) <= set(WORDS)
    assert "feature space" in write_confirmation_report(study).read_text().lower()

    made = {cell: cell.stat().st_mtime_ns for cell in (folder / "cells").glob("*.pt")}
    before = pd.read_parquet(folder / "hits.parquet")
    confirm(study, OPTIONS, Console(quiet=True))
    assert {cell: cell.stat().st_mtime_ns for cell in (folder / "cells").glob("*.pt")} == made
    assert pd.read_parquet(folder / "hits.parquet").equals(before)


def test_an_unfinished_study_is_not_confirmed(study, tmp_path):
    copy = copied(study, tmp_path)
    trials = pd.read_parquet(copy / "trials.parquet")
    trials.iloc[:4].to_parquet(copy / "trials.parquet")
    with pytest.raises(InputError, match=r"2 of 6 trials are missing; finish the study by .*--resume"):
        confirm(copy, OPTIONS, Console(quiet=True))
    assert not (copy / "confirmation").exists()


def test_a_study_whose_images_changed_is_not_confirmed(study, tmp_path):
    copy = copied(study, tmp_path)
    config = yaml.safe_load((copy / "study.yaml").read_text())
    private = write_image_folder(make_bank(PEOPLE, images=8, seed=7), tmp_path / "others")
    config["config"]["data"]["private"] = str(private)
    (copy / "study.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match="changed") as caught:
        confirm(copy, OPTIONS, Console(quiet=True))
    assert "\n" not in str(caught.value)
    assert not (copy / "confirmation").exists()


@pytest.mark.parametrize("text", ["a: 1\n", "just words", ""])
def test_a_folder_of_something_else_is_not_confirmed(tmp_path, text):
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(InputError, match="no study's"):
        confirm(tmp_path, OPTIONS, Console(quiet=True))
    with pytest.raises(InputError) as caught:
        confirm(tmp_path / "nowhere", OPTIONS, Console(quiet=True))
    assert "nowhere" in str(caught.value)


def test_a_law_that_never_erases_is_no_law_to_be_matched(study):
    config = yaml.safe_load((study / "confirmation" / "confirmation.yaml").read_text())
    assert "no defence" not in config["matched_stops"]
    accuracy = pd.read_parquet(study / "confirmation" / "targets.parquet").groupby("point").val_accuracy.mean()
    curve = np.array(config["undefended_curve"])
    for law, stop in config["matched_stops"].items():
        if stop != "no defence":
            assert abs(accuracy[stop] - accuracy[law]) <= np.abs(curve - accuracy[law]).min() + 1e-3
