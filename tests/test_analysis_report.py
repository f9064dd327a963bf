"""The report: what is on the page, and what must never be."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from synthetic_study import DEFAULT, trial, write_study

from analysis.figures import front_info, maps_info, parameters_info, plot_front, plot_maps, training_info
from analysis.pages import write_report
from analysis.pages.exported import citation, latex_front, latex_text, markdown_front
from analysis.pages.law_data import packed_map
from analysis.pages.paper import write_paper
from analysis.pages.plain_words import study_sentences
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
    assert len(own) < len(page) / 3
    assert not re.findall(r'(?:src|href)="(?!#)[^"]*"', own)
    assert "@import" not in own
    assert page.count('id="data"') == 1
    assert "showSendToCloud: false" in page


def test_every_trial_is_in_the_table_with_its_state_and_reason(folder):
    page = page_of(folder)
    laws = data_of(page)["trials"]  # of which the page makes its table
    assert len(laws) == len(DEFAULT)
    assert laws["6"]["reason"] == "training diverged: the loss is nan"
    assert "attack skipped" in laws["5"]["reason"]
    assert (laws["5"]["state"], laws["5"]["attack_accuracy"]) == ("infeasible", None)


def test_attack_and_budget_and_judge_are_named_on_the_page(folder):
    page = page_of(folder)
    assert "ppa, reduced budget" in page
    assert "residual_gn: 97.0%" in page


def test_the_page_recommends_what_the_statistics_say_for_every_loss(folder):
    found = data_of(page_of(folder))["recommendations"]
    assert [found[k]["trial"] for k in (0, 1, 3, 15)] == [0, 1, 2, 4]
    assert "points [" in found[3]["verdict"]


def test_a_recommended_law_comes_with_code_that_runs(folder):
    data = data_of(page_of(folder))
    names: dict = {}
    exec("\n".join(data["lines"][number] for number in data["trials"]["2"]["code"]), names)
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
    assert len(data_of(page)["trials"]) == len(records)


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


def test_the_page_is_small_because_of_the_partial_chart_library(folder):
    from plotly.offline import get_plotlyjs_version

    from analysis.pages.chart_library import REDUCED, chart_library

    page = write_report(folder)
    assert page.stat().st_size < 3_000_000
    text = REDUCED.read_text(encoding="utf-8")
    assert f"plotly.js (basic - minified) v{get_plotlyjs_version()}" in text[:200]
    assert (REDUCED.parent / "LICENSE").exists()
    origin = (REDUCED.parent / "ORIGIN.md").read_text()
    assert hashlib.sha256(REDUCED.read_bytes()).hexdigest() in origin
    study = load_study(folder)
    assert chart_library([plot_front(front_info(study))]) == text
    assert len(chart_library([plot_maps(maps_info(study))])) > 2 * len(text)  # the partial one draws no heat map


def test_columns_that_this_version_does_not_know_are_parameters_like_all_others(folder):
    table = pd.read_parquet(folder / "trials.parquet")
    bido, smoothing = "bido:a1=0.05,a2=0.5", "label_smoothing:alpha=0.1"
    table["defences"] = ["", bido, bido, f"{bido}+{smoothing}", "", "", ""]
    table["defence.bido.weight"] = [np.nan, 0.1, 0.2, np.nan, np.nan, np.nan, np.nan]
    table["always"] = 3
    table.to_parquet(folder / "trials.parquet")
    data = data_of(page_of(folder))
    kinds = {one["name"]: (one["label"], one["kind"]) for one in data["parameters"]}
    assert kinds["defences"] == ("other defences", "category")
    assert kinds["defence.bido.weight"] == ("bido: weight", "number")
    assert "always" not in kinds
    assert data["trials"]["2"]["parameters"]["defence.bido.weight"] == 0.2
    mixes = {number: trial["parameters"]["defences"] for number, trial in data["trials"].items()}
    assert (mixes["0"], mixes["1"], mixes["3"]) == ("none", "bido", "bido + label_smoothing")
    assert "defences" in parameters_info(load_study(folder)).names


def test_a_packed_erase_map_keeps_its_mean_and_its_places():
    share = np.zeros((64, 64))
    share[:32, 32:] = 1.0
    packed = packed_map(share, 16)
    pixels = np.frombuffer(base64.b64decode(packed["pixels"]), np.uint8).reshape(packed["height"], packed["width"])
    assert pixels.shape == (16, 16)
    assert packed["mean"] == 0.25
    assert (pixels[:8, 8:] == 255).all() and pixels.astype(int).sum() == 64 * 255


def test_the_three_sentences_are_plain_and_say_the_numbers(folder):
    (_, cost), (_, gain), (_, sure) = study_sentences(load_study(folder), 0.05)
    assert "92 of 100" in cost and "95 of 100" in cost
    assert "90 of 100" in gain and "60 of 100" in gain and "taught to know these people" in gain
    assert "the drop of about 30 of 100 would likely be between" in sure
    for sentence in (cost, gain, sure):
        assert not re.search(r"[%\[\]±<>_=]", sentence)
        words = set(re.findall(r"[a-z]+", sentence.lower()))
        assert not words & {"law", "attack", "accuracy", "judge", "prior", "interval", "hypervolume", "inversion"}


def test_the_three_sentences_warn_where_the_drawings_could_not_be_recognised(folder):
    study = load_study(folder)
    assert "Beware" not in study_sentences(study, 0.05)[2][1]
    study.config["ceilings"] = [{"outside": True, "drawn": 0.2, "judge": "faces"}]
    assert "only 20 of 100" in study_sentences(study, 0.05)[2][1]


def test_the_sentences_say_so_when_nothing_helps(tmp_path):
    records = [DEFAULT[0], trial(1, 0.94, 0.95), trial(2, 0.5, 0.2)]
    (_, cost), (_, gain), _ = study_sentences(load_study(write_study(tmp_path / "s", records)), 0.05)
    assert cost.startswith("Nothing")
    assert "90 of 100" in gain
    assert study_sentences(load_study(write_study(tmp_path / "t", [])), 0.05) == []


def test_the_front_for_a_paper_names_attack_budget_judge_seed_and_intervals(folder):
    study = load_study(folder)
    for text in (latex_front(study), markdown_front(study)):
        assert "80.0 [75, 85]" in text and "30.0 [25, 35]" in text
        assert text.count("MIDRE(0.1, 0.4)") == 1
        for word in ("ppa, reduced budget", "prior eigenface", "Seed 0"):
            assert word in text
    assert r"residual\_gn (97.0 \% of real held-out images)" in latex_front(study)
    assert (
        latex_text(r"a_b & 5% {x} ~^\\")
        == r"a\_b \& 5\% \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}\textbackslash{}"
    )
    assert [line.count("|") for line in markdown_front(study).splitlines()[:6]] == [5] * 6


def test_the_citation_holds_fingerprints_versions_and_the_command_of_public_data_only(tmp_path):
    public = write_study(
        tmp_path / "a",
        command="mi-tune pareto",
        config={"data": {"source": "orl", "private": None}, "target": {"replicates": 2}, "search": {}},
    )
    text = citation(load_study(public))
    assert (
        "private a, public b" in text["text"] and "mi-tune pareto" in text["text"] and "mi_tune 0.1.0" in text["text"]
    )
    assert text["bibtex"].startswith("@misc{mi_tune-known-")
    own = citation(load_study(write_study(tmp_path / "b", command="mi-tune pareto --private someone")))
    assert "someone" not in own["text"] + own["bibtex"]


def test_figures_for_print_are_written_without_a_browser(folder, tmp_path):
    pytest.importorskip("matplotlib")
    written = write_paper(folder, tmp_path / "paper")
    names = {path.name for path in written}
    assert {
        "front.pdf",
        "front.svg",
        "front.png",
        "maps.pdf",
        "parameters.svg",
        "front.tex",
        "front.md",
        "citation.bib",
    } <= names
    assert all(path.stat().st_size > 100 for path in written)
    assert (tmp_path / "paper" / "front.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(InputError, match="cannot write there"):
        write_paper(folder, folder / "study.yaml" / "x")


def test_a_printed_figure_has_the_points_intervals_and_names_of_the_page(folder):
    pytest.importorskip("matplotlib")
    from analysis.figures.printed import draw_printed

    info = front_info(load_study(folder))
    drawn = draw_printed(plot_front(info))
    axes = drawn.axes[0]
    placed = np.concatenate([one.get_offsets() for one in axes.collections if len(one.get_offsets())])
    for row in pd.concat([info.front, info.dominated]).itertuples():
        assert (np.abs(placed - [row.natural_accuracy, row.attack_accuracy]).max(1) < 1e-9).any()
    texts = {text.get_text() for text in axes.texts}
    assert {"no defence", "chance"} <= texts
    assert drawn.axes[1].get_xlabel() == "natural accuracy (more is better)"  # below the strip of infeasible laws
    ends = [segment for one in axes.collections if hasattr(one, "get_segments") for segment in one.get_segments()]
    assert any(np.allclose(end, [[0.8, 0.25], [0.8, 0.35]]) for end in ends)
