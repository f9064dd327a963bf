"""The report: what is on the page, and what must never be."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from synthetic_study import DEFAULT, trial, write_study

from analysis.figures import front_info, maps_info, parameters_info, plot_front, training_info
from analysis.pages import write_report
from analysis.statistics import load_study
from mi_tune.runtime.errors import InputError


def page_of(folder, **options) -> str:
    return write_report(folder, **options).read_text()


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1))


@pytest.fixture
def folder(tmp_path):
    return write_study(tmp_path / "known")


def test_the_report_is_one_file_that_loads_nothing_from_elsewhere(folder):
    page = page_of(folder)
    # what plotly.js names inside its own code is not loaded by the page
    own = re.sub(r"<script>/\*\*.*?</script>", "", page, count=1, flags=re.S)
    assert len(own) < len(page) / 2
    assert not re.findall(r'(?:src|href)="(?!#)[^"]*"', own)
    assert "@import" not in own
    assert page.count('id="data"') == 1
    assert "showSendToCloud: false" in page


def test_every_trial_is_in_the_table_with_its_state_and_reason(folder):
    page = page_of(folder)
    assert len(re.findall(r"<tr data-trial=", page)) == len(DEFAULT)
    assert "training diverged: the loss is nan" in page
    assert "attack skipped" in page
    assert data_of(page)["trials"]["5"]["attack_accuracy"] is None


def test_attack_and_budget_and_judge_are_named_on_the_page(folder):
    page = page_of(folder)
    assert "ppa, reduced budget" in page
    assert "residual_gn: 97.0%" in page


def test_the_page_recommends_what_the_statistics_say_for_every_loss(folder):
    found = data_of(page_of(folder))["recommendations"]
    assert [found[k]["trial"] for k in (0, 1, 3, 15)] == [0, 1, 2, 4]
    assert "points [" in found[3]["verdict"]


def test_a_recommended_law_comes_with_code_that_runs(folder):
    trials = data_of(page_of(folder))["trials"]
    names: dict = {}
    exec(trials["2"]["snippet"], names)
    assert "erase" in names


def test_faces_are_shown_for_built_in_data(folder):
    faces = data_of(page_of(folder))["faces"]
    assert sorted(faces["trials"]) == ["0", "1", "2", "3", "4"]
    assert faces["real"]["uri"].startswith("data:image/webp;base64,")
    assert len(faces["trials"]["0"]["identified"]) == faces["classes"] == 10


def test_a_page_of_own_data_shows_no_face_no_name_and_no_path_unless_asked(tmp_path):
    folder = write_study(tmp_path / "own", images_allowed=False, source="folder")
    page = page_of(folder)
    assert "data:image" not in page.split("</style>")[1].split("<script>")[0]
    assert data_of(page)["faces"] is None
    assert "secret-name" not in page
    assert "someone" not in page
    with_images = page_of(folder, include_images=True)
    assert data_of(with_images)["faces"] is not None
    assert "secret-name" not in with_images
    # what shows faces is for the owner alone
    assert write_report(folder).stat().st_mode & 0o777 == 0o644
    assert write_report(folder, include_images=True).stat().st_mode & 0o777 == 0o600


def test_faces_can_be_left_out_of_any_page(folder):
    assert data_of(page_of(folder, include_images=False))["faces"] is None


def test_text_of_the_user_cannot_become_markup(tmp_path):
    records = [*DEFAULT, trial(7, 0.0, None, "failed", reason="</script><script>alert(1)</script>")]
    page = page_of(write_study(tmp_path / "s", records, name="<b>x</b>"))
    assert "<script>alert(1)" not in page
    assert "<b>x</b>" not in page.split("<script>")[0]
    assert data_of(page)["trials"]["7"]["reason"].startswith("</script>")


def test_a_smoke_run_carries_its_warning(tmp_path):
    assert "Smoke run." in page_of(write_study(tmp_path / "s", smoke=True))
    assert "Smoke run." not in page_of(write_study(tmp_path / "t"))


@pytest.mark.parametrize(
    "records",
    [
        DEFAULT[:1],
        DEFAULT[5:],
        [DEFAULT[6]],
        [],
        [trial(0, 0.9, 0.5, "running")],
    ],
    ids=["undefended only", "nothing complete", "all failed", "empty", "running"],
)
def test_a_report_of_an_unfinished_study_can_be_written(tmp_path, records):
    page = page_of(write_study(tmp_path / "s", records))
    assert len(re.findall(r"<tr data-trial=", page)) == len(records)


def test_the_figure_info_holds_each_trial_once_in_its_place(folder):
    info = front_info(load_study(folder))
    assert info.front.trial.tolist() == [0, 1, 2, 4]
    assert info.dominated.trial.tolist() == [3]
    assert info.infeasible.trial.tolist() == [5]
    assert info.references.trial.tolist() == [0, 1]
    assert dict(info.baselines)["chance"] == 0.1
    assert info.floor == 0.6


def test_the_front_is_drawn_with_the_intervals_of_the_table(folder):
    figure = plot_front(front_info(load_study(folder)))
    front = next(t for t in figure.data if t.name == "front")
    assert list(front.error_y.array) == pytest.approx([0.05] * 4)
    assert list(front.error_x.arrayminus) == pytest.approx([0.05] * 4)


def test_other_figures_take_the_right_trials(folder):
    study = load_study(folder)
    assert [c.trial for c in training_info(study)] == [0, 1, 2, 4]
    assert training_info(study)[0].accuracy == pytest.approx([0.475, 0.95])
    assert [m.trial for m in maps_info(study)] == [1, 2, 4]
    assert "fill" in parameters_info(study).names
    assert "location" not in parameters_info(study).names


def test_the_command_rebuilds_the_report_from_the_folder_alone(folder, tmp_path):
    target = tmp_path / "elsewhere" / "page.html"
    command = [sys.executable, "-m", "analysis", str(folder), "--no-images", "--output", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(target)
    assert data_of(target.read_text())["faces"] is None


def test_the_command_refuses_a_folder_that_is_no_study_in_one_line(tmp_path):
    command = [sys.executable, "-m", "analysis", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_report_that_cannot_be_written_is_one_clear_error(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write the report"):
        write_report(folder, output=tmp_path / "file" / "page.html")


def test_the_page_says_what_a_recogniser_from_outside_finds_and_when_that_may_be_nobody(tmp_path):
    from synthetic_study import write_study

    from analysis.pages.report import believable
    from analysis.statistics import load_study

    study = load_study(write_study(tmp_path / "study"))
    assert believable(study) == ""
    study.config["recogniser"] = {"name": "faces", "held_out_accuracy": 0.98}
    undefended = study.undefended.trial
    for low, silent in ((0.0, False), (0.5, True)):
        study.trials.loc[undefended, ["recognised", "recognised_low", "recognised_high"]] = 0.6, low, 0.7
        study.__dict__.pop("complete", None)
        text = believable(study)
        assert "60.0%" in text and "98.0%" in text
        assert ("It may find nobody" not in text) == silent
