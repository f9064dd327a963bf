"""The library's public interface: what it lists, that each docstring's example runs, and what it refuses."""

from __future__ import annotations

import doctest
import importlib
import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import make_bank, write_image_folder
from synthetic_study import DEFAULT, write_study

import mi_tune
from mi_tune import InputError, build_setup, load
from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw
from mi_tune.library.words import KEYS
from mi_tune.trial.table import COLUMNS
from mi_tune.trial.table_columns import MEANINGS
from studies.commands.pareto import pareto
from studies.commands.setup_options import SetupOption

EXAMPLES = ("build_setup", "tune", "attack", "confirm", "load", "Study", "Recommendation")


def test_the_public_names_are_these_and_no_others():
    assert sorted(mi_tune.__all__) == [
        *("Audit", "Confirmation", "ErasingLaw", "InputError", "Recommendation", "Setup", "Study"),
        *("attack", "build_setup", "confirm", "load", "tune"),
    ]
    assert {*mi_tune.__all__} <= {*dir(mi_tune)}
    with pytest.raises(AttributeError, match="public are"):
        mi_tune.run_study  # noqa: B018


def test_importing_the_library_is_quick_because_torch_and_ray_wait():
    code = "import sys, mi_tune; assert not {'torch', 'ray', 'pandas', 'plotly'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_processes_of_a_study_import_only_what_every_trial_needs():
    code = (
        "import sys, mi_tune.study.trainable; print(*({'torchvision', 'cmaes', 'optuna', 'plotly'} & {*sys.modules}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.split() == [], "each of these takes a second or more, in every process"


@pytest.mark.parametrize("name", mi_tune.__all__)
def test_every_public_name_says_what_it_is(name):
    found = getattr(mi_tune, name)
    assert inspect.getdoc(found)
    if name in EXAMPLES and name != "Recommendation":
        assert ">>>" in (inspect.getdoc(found) or "")


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("module", ["setups", "studies", "attacking", "tuning", "confirming"])
def test_the_examples_in_the_docstrings_run(module, tmp_path, monkeypatch, one_ray):
    monkeypatch.chdir(tmp_path)
    study = write_study(tmp_path / "results" / "orl", records=DEFAULT[:1] + DEFAULT[2:6], name="orl")
    assert study.exists()
    room = importlib.import_module(f"mi_tune.library.{module}")
    public = {name: getattr(mi_tune, name) for name in mi_tune.__all__}
    if module in ("tuning", "confirming"):
        shutil.rmtree(study)
    ran = doctest.testmod(room, extraglobs=public, optionflags=doctest.ELLIPSIS)
    assert ran.attempted and not ran.failed


def test_the_keywords_are_the_options_of_the_command():
    options = {str(option.name) for option in pareto.params if isinstance(option, SetupOption)}
    assert options == {*KEYS}


def test_each_column_of_the_table_is_explained_and_stands_in_the_documentation():
    assert [*MEANINGS] == COLUMNS
    page = (Path(__file__).parents[1] / "docs" / "study_folder.md").read_text()
    assert all(f"`{name}`" in page for name in MEANINGS)


# ------------------------------------------------------------------------------------------------------ a study in hand


@pytest.fixture
def study(tmp_path) -> mi_tune.Study:
    return load(write_study(tmp_path / "known"))


def test_a_study_gives_its_table_its_laws_and_its_front(study):
    assert study.table.trial.tolist() == list(range(7))
    assert study.front.trial.tolist() == [0, 1, 2, 4]
    assert study.finished and study.state == "7 of 7 trials: 5 complete, 1 failed, 1 infeasible"
    assert study.law(2).fill == (0.45,)
    assert study.columns["attack_accuracy"].startswith("share of reconstructions")


def test_a_recommendation_comes_with_its_interval_and_a_transform_that_is_ready(study):
    import torch

    found = study.recommend(max_loss=0.2)
    assert found.trial == 4
    assert found.attack_accuracy == pytest.approx((0.3, 0.25, 0.35))
    assert found.attack_change.high < 0 and found.helps
    images = torch.randint(0, 256, (4, 1, 16, 16), dtype=torch.uint8)
    erased = found.transform(images)
    assert erased.shape == images.shape and (erased != images).any()
    assert "v2.RandomErasing(p=1.0, scale=(0.1, 0.24), ratio=(1.0, 1.0), value=[0.45])" in found.code
    assert study.recommend(max_loss=0).name == "no defence"
    assert study.recommend(max_loss=0).helps is False


@pytest.mark.parametrize("loss", [-0.1, 1.5, "much", True, float("nan")])
def test_an_allowed_loss_that_is_no_share_is_refused(study, loss):
    with pytest.raises(InputError, match="max_loss"):
        study.recommend(max_loss=loss)


@pytest.mark.parametrize("name", ["front", "progress", "training", "parameters", "maps"])
def test_the_figures_of_the_report_are_plotly_figures(study, name):
    import plotly.graph_objects as go

    assert isinstance(study.figure(name), go.Figure)


def test_a_figure_that_is_not_there_is_refused_with_its_reason(study):
    with pytest.raises(InputError, match="did you mean"):
        study.figure("fronts")
    with pytest.raises(InputError, match="importance-towards: "):
        study.figure("importance-towards")


def test_a_study_writes_its_report_and_shows_itself(study):
    assert study.report().read_text().startswith("<!")
    assert repr(study).startswith("<mi_tune study 'known': 7 of 7 trials") and "\n" not in repr(study)
    page = study._repr_html_()
    assert "<table>" in page and "secret-name" not in page


def test_a_law_shows_itself_as_code_and_as_a_picture():
    law = REFERENCE_LAWS["MIDRE(0.1, 0.8)"]
    assert repr(law) == "ErasingLaw(probability=1.0, area=(0.1, 0.8), fill='midre')"
    assert eval(repr(law)) == law
    assert repr(ErasingLaw()) == "ErasingLaw()"
    assert law._repr_html_().count("<svg x=") == 8
    assert law._repr_html_() == law._repr_html_()
    assert ErasingLaw()._repr_html_().count("<rect") == 8, "no law, nothing erased"


@pytest.mark.parametrize("kind", ["missing", "empty", "file", "other yaml"])
def test_a_folder_that_is_no_study_is_one_line(tmp_path, kind):
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("x")
    elif kind != "missing":
        place.mkdir()
    if kind == "other yaml":
        (place / "study.yaml").write_text("[1, 2]")
    with pytest.raises(InputError) as caught:
        load(place)
    assert str(place) in str(caught.value) and "\n" not in str(caught.value)


def test_a_study_becomes_one_optuna_study_with_objectives_constraint_and_parameters(study):
    found = study.to_optuna()
    assert [direction.name for direction in found.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert found.metric_names == ["natural_accuracy", "attack_accuracy"]
    assert [t.state.name for t in found.trials] == ["COMPLETE"] * 6 + ["FAIL"]
    assert found.trials[2].values == [0.92, 0.60]
    assert found.trials[2].params["area_high"] == pytest.approx(0.22)
    assert len(found.trials[2].params) == 9
    assert found.trials[5].constraints["natural_accuracy_floor"] > 0, "the infeasible one"
    assert {t.user_attrs["trial"] for t in found.best_trials} == {0, 1, 2, 4}


def test_optuna_s_own_storage_holds_it_once(study, tmp_path):
    url = f"sqlite:///{tmp_path}/optuna.db"
    assert len(study.to_optuna(url).trials) == 7
    with pytest.raises(InputError, match="already holds a study 'known'"):
        study.to_optuna(url)


# ------------------------------------------------------------------------------------------------------------- set-ups


def test_a_set_up_is_made_from_a_name_a_file_another_set_up_and_keywords(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nsearch: {trials: 7}\n")
    assert build_setup("procedural").data.source == "procedural"
    assert build_setup(file).search.trials == 7
    changed = build_setup(build_setup(file), epochs=3, target={"report_every": 1}, search={"space": {"count": 2}})
    assert (changed.name, changed.search.trials, changed.target.epochs) == ("mine", 7, 3)
    assert (changed.target.report_every, changed.search.space.count) == (1, 2)


@pytest.mark.parametrize(
    ("base", "keywords", "hint"),
    [
        (None, {"trails": 3}, "trials"),
        ("orll", {}, "orll.yaml"),
        (3, {}, "Setup"),
        (None, {"trials": 0}, "search.trials"),
        (None, {"target": {"epoch": 3}}, "epochs"),
        (None, {"name": "a/b"}, "name"),
    ],
)
def test_a_wrong_set_up_is_one_line_that_names_the_mistake(base, keywords, hint):
    with pytest.raises(InputError, match=hint) as caught:
        build_setup(base, **keywords)
    assert "\n" not in str(caught.value)


def test_a_folder_names_the_study_of_its_images(tmp_path):
    place = write_image_folder(make_bank(5), tmp_path / "my people")
    assert build_setup(private=place).name == "my-people"
    assert build_setup(private=(np.zeros((4, 32, 32), np.uint8), [0, 0, 1, 1])).name == "own"
