"""The page of a confirmation: its numbers, its words, and what must never be on it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html import unescape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import yaml
from synthetic_confirmation import BASELINES, POINTS, write_confirmation
from synthetic_study import write_study

from analysis.figures import ladder_info, robust_front_info
from analysis.pages import Section, write_confirmation_report
from analysis.pages.plain_words import confirmation_sentences
from analysis.statistics import load_confirmation
from analysis.statistics.comparisons import compare
from analysis.statistics.evidence import draw_evidence
from analysis.statistics.shrinkage import shrinkage
from analysis.statistics.verdict import verdicts
from mi_tune.runtime.errors import InputError

ATTACKS = ["ppa:reduced", "ppa:4x", "ppa:16x", "taa:reduced", "brepmi:reduced"]
"""In the order of the page: budgets of one attack side by side."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_confirmation(tmp_path_factory.mktemp("studies") / "known")


@pytest.fixture(scope="module")
def page(folder):
    return write_confirmation_report(folder).read_text()


@pytest.fixture(scope="module")
def evidence(folder):
    return draw_evidence(load_confirmation(folder))


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1))


def text_of(fragment: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", fragment)).split())


def heat_row(page: str, shown: int, point: str) -> list[str]:
    """The cells of a point in the heat table of a judge, the baselines first."""
    shown_table = page.split(f'data-shown="{shown}"')[1].split("</table>")[0]
    row = next(r for r in shown_table.split("<tr")[1:] if f"<th>{point}</th>" in r)
    return [text_of("<" + cell) for cell in row.split("<td")[1:]]


def test_the_page_is_one_file_in_the_folder_that_loads_nothing_from_elsewhere(folder, page):
    assert (folder / "confirmation" / "report.html").read_text() == page
    own = re.sub(r"<script>/\*\*.*?</script>", "", page, count=1, flags=re.S)
    assert len(own) < len(page) / 2
    assert not re.findall(r'(?:src|href)="(?!#)[^"]*"', own)
    assert "@import" not in own


@pytest.mark.parametrize(("shown", "judge"), [(0, "searching"), (1, "second"), (2, "embedding")])
def test_every_attack_on_every_law_is_in_the_table_of_each_judge(folder, page, shown, judge):
    hits = pd.read_parquet(folder / "confirmation" / "hits.parquet")
    for point in POINTS:
        cells = heat_row(page, shown, point.name)
        for cell, attack in zip(cells, [*BASELINES, *ATTACKS], strict=True):
            rows = hits[(hits.point == point.name) & (hits.attack == attack)]
            if not len(rows):
                assert cell == ""
                continue
            # as many images of every person under every seed: the plain mean is the mean over people
            assert cell.startswith(f"{100 * rows[judge].mean():.0f} ")
            assert cell.endswith("1 seed") == (attack == "ppa:16x")


def test_words_and_sentences_are_those_of_the_verdicts(page, evidence):
    found = verdicts(evidence, compare(evidence))
    assert {verdict.word for verdict in found} == {"protects", "slows", "does not help"}
    articles = dict(re.findall(r"<h3>(\S.*?) <span class=\"word.*?>.*?</span></h3>\s*<p>(.*?)</p>", page))
    assert {name: unescape(sentence) for name, sentence in articles.items()} == {v.law: v.sentence for v in found}
    assert "Of 3 erasing laws, 1 protects, 1 slows the attacks down and 1 does not help." in page


def test_attack_budget_judge_and_seeds_are_named(page):
    assert "attacks: ppa reduced, ppa 4x, ppa 16x, taa reduced, brepmi reduced" in page
    assert "judge second: 96% [90, 100] on real held-out images" in page
    assert "3 fresh targets each" in page


def test_differences_stand_with_their_corrected_p_values(page, evidence):
    for one in compare(evidence):
        low, high = (round(100 * end, 1) + 0.0 for end in one.attack.estimate[1:])
        cell = f'{round(100 * one.attack.value, 1) + 0.0:+.1f} <span class="interval">[{low:+.0f}, {high:+.0f}]</span>'
        assert cell in page
        assert f">{one.claim.corrected:.2g}</td>" in page


def test_the_leak_index_and_the_chance_to_be_on_the_front_are_on_the_page(page, evidence):
    for name, chance in zip(evidence.front.names, evidence.front.probability, strict=True):
        assert f'<td data-value="{float(chance)}">{chance:.0%}</td>' in page
        assert f"<b>{evidence.leak(name).estimate.value:.2f}</b>" in page


def test_the_front_is_drawn_with_intervals_controls_and_the_places_of_the_search(evidence):
    info = robust_front_info(evidence, shrinkage(evidence))
    rows = info.points.set_index("name")
    assert list(rows.index) == [point.name for point in POINTS]
    for name, row in rows.iterrows():
        assert (row.natural, row.natural_low, row.natural_high) == evidence.natural(name).estimate
        assert (row.attack, row.attack_low, row.attack_high) == evidence.strongest(name).drawn.estimate
    assert (rows.loc["trial 2", "search_natural"], rows.loc["trial 2", "search_attack"]) == (0.92, 0.60)
    assert rows.search_natural.isna().sum() == rows.probability.isna().sum() == 3  # the controls
    assert info.baselines[0] == ("chance", 0.1)
    assert dict(info.baselines)["best prior samples, not optimised"] == pytest.approx(0.30)


def test_the_picture_holds_every_point_once(page):
    traces = data_of(page)["figures"]["front"]["data"]
    named = {trace.get("name"): trace for trace in traces}
    kinds = {"laws of the search": 2, "reference points": 2, "undefended, stopped early": 2, "another augmentation": 1}
    for name, count in kinds.items():
        assert len(named[name]["text"]) == count
    assert "in the search" in named


def test_the_ladder_is_drawn_on_the_seeds_that_all_budgets_share(evidence):
    info = ladder_info(evidence)
    assert info.budgets == ["ppa reduced", "ppa 4x", "ppa 16x"]
    assert set(info.rows.seeds) == {1}
    assert len(info.rows) == 3 * 4
    rows = info.rows[info.rows.law == "trial 4"].set_index("budget").value
    assert rows["ppa 16x"] - rows["ppa reduced"] == pytest.approx(0.4)


def test_an_attack_that_failed_is_shown_as_failed_with_its_reason(tmp_path):
    failed = {("trial 2", "brepmi:reduced", seed): "it lost <its way>" for seed in range(3)}
    failed |= {("trial 4", "taa:reduced", 1): "one <seed> less"}
    page = write_confirmation_report(write_confirmation(tmp_path / "known", failed=failed)).read_text()
    assert heat_row(page, 1, "trial 2")[-1] == "failed"
    assert heat_row(page, 1, "trial 4")[-2].endswith("2 seeds")
    assert "it lost &lt;its way&gt;" in page
    assert "<its way>" not in page
    assert "<seed>" not in page


@pytest.mark.parametrize(("seeds", "warning"), [(1, "One seed."), (2, "Two seeds.")])
def test_few_seeds_carry_a_warning(tmp_path, seeds, warning):
    page = write_confirmation_report(write_confirmation(tmp_path / "known", seeds=seeds, ladder=())).read_text()
    assert warning in page
    assert "Does a larger budget identify more people?" not in page
    assert "ladder" not in data_of(page)["figures"]


def test_a_page_without_controls_and_with_one_judge_can_be_written(tmp_path):
    points = tuple(point for point in POINTS if point.kind in ("reference", "front"))
    folder = write_confirmation(tmp_path / "known", points, {}, judges={"second": 0.0})
    page = write_confirmation_report(folder).read_text()
    assert "Judges side by side" not in page
    assert "Of 3 erasing laws, 3 are undecided." in page


def test_a_page_on_which_every_attack_failed_says_so(tmp_path):
    attacks = {attack for point in POINTS for attack in point.attacks}
    failed = {(point.name, attack, seed): "no" for point in POINTS for attack in attacks for seed in range(3)}
    page = write_confirmation_report(write_confirmation(tmp_path / "known", failed=failed)).read_text()
    assert "No attack completed on any law." in page
    assert "3 are undecided" in page


def test_further_sections_are_shown_with_their_figures(folder):
    figures = (go.Figure(go.Scatter(x=[1], y=[2])), go.Figure(go.Scatter(x=[3], y=[4])))
    page = write_confirmation_report(
        folder, [Section("What the features say", "Under <nothing>.", figures)]
    ).read_text()
    assert "<h2>What the features say</h2>" in page
    assert "Under &lt;nothing&gt;." in page
    drawn = data_of(page)["figures"]
    assert [np.ravel(drawn[f"section-0-{k}"]["data"][0]["x"])[0] for k in (0, 1)] == [1, 3]


def test_text_of_the_user_cannot_become_markup(tmp_path):
    folder = write_confirmation(tmp_path / "known")
    path = folder / "confirmation" / "confirmation.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"study": "</script><b id=x>"}))
    assert "<b id=x>" not in write_confirmation_report(folder).read_text()


def test_the_command_rebuilds_both_pages_and_prints_their_paths_without_ray(folder):
    code = (
        "import sys; from analysis.__main__ import main; status = main();"
        "assert not {'ray', 'studies'} & {name.split('.')[0] for name in sys.modules}; sys.exit(status)"
    )
    (folder / "confirmation" / "report.html").unlink(missing_ok=True)
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = [folder / "report.html", folder / "confirmation" / "report.html"]
    assert done.stdout.split() == [str(path) for path in pages]
    assert all(path.exists() for path in pages)


def test_the_command_on_a_study_that_was_not_confirmed_writes_its_page_alone(tmp_path):
    folder = write_study(tmp_path / "known")
    done = subprocess.run([sys.executable, "-m", "analysis", str(folder)], capture_output=True, text=True)
    assert done.stdout.split() == [str(folder / "report.html")]


def test_a_page_that_cannot_be_written_is_one_clear_error(folder, monkeypatch):
    def full(path, write):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("analysis.pages.confirm_report.save_atomically", full)
    with pytest.raises(InputError, match="cannot write the report"):
        write_confirmation_report(folder)


def test_three_plain_sentences_say_what_the_best_law_costs_and_buys(page, evidence):
    (_, cost), (_, gain), (_, sure) = confirmation_sentences(evidence)
    assert "trial 2" in cost and "80 of 100" in cost and "90 of 100" in cost
    without, with_it = (round(100 * evidence.strongest(name).drawn.value) for name in ("no defence", "trial 2"))
    assert f"{without} of 100" in gain and f"still {with_it} of 100 with that protection" in gain and with_it < 40
    assert "would likely be between" in sure and "Training less, without protection" in sure and "3 times" in sure
    for sentence in (cost, gain, sure):
        assert not re.search(r"[%\[\]±<>_=]", sentence)
        assert sentence in unescape(page)
