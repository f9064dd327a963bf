"""Studies compared by what they had found, and when."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from synthetic_study import trial, write_study
from synthetic_table import make_table

from analysis.statistics import load_study
from analysis.statistics.comparability import ATTACK, NATURAL, comparability
from analysis.statistics.found import found_over_time, hypervolume_at
from mi_tune.erasing import ErasingLaw
from mi_tune.erasing.columns import law_of
from mi_tune.replay.surface import Surface
from mi_tune.runtime.errors import InputError
from studies.commands.compare_studies import compare


@pytest.fixture
def study(tmp_path) -> Path:
    write_study(tmp_path / "orl", faces=False)
    return tmp_path / "orl"


def test_what_was_measured_grows_by_the_rectangles_that_are_added(study):
    found = found_over_time(load_study(study))
    # natural accuracy times 1 - attack accuracy, and what each trial adds to those before
    assert found.measured.tolist()[:5] == pytest.approx(
        [0.95 * 0.1, 0.095 + 0.94 * 0.2, 0.283 + 0.92 * 0.1, 0.375, 0.375 + 0.8 * 0.3]
    )
    assert found.minutes.tolist() == pytest.approx(range(1, 7))  # the last trial failed
    assert found.cost.tolist()[:3] == [30, 60, 90]
    assert hypervolume_at(found, 0.5, "measured") == 0
    assert hypervolume_at(found, 2.0, "measured") == pytest.approx(0.283)


def test_trials_count_from_when_they_ended_not_from_their_number(study):
    loaded = load_study(study)
    runs = loaded.runs.copy()
    runs.loc[0, "finished"] = "2026-01-01T09:00:00+00:00"
    loaded = type(loaded)(loaded.folder, loaded.config, runs, loaded.trials)
    found = found_over_time(loaded)
    assert found.measured.iloc[0] == pytest.approx(0.94 * 0.3)
    assert found.minutes.iloc[-1] == pytest.approx(540)


def test_the_truth_is_that_of_the_table_for_the_laws_on_the_front(tmp_path):
    surface = Surface(*make_table(60))
    write_study(tmp_path / "orl", [trial(0, 0.9, 0.5), trial(1, 0.8, 0.6)], faces=False)
    study = load_study(tmp_path / "orl")
    found = found_over_time(study, surface, 0.1)
    assert found.true.tolist() == pytest.approx([surface.worth([law_of(study.trials.loc[0])], 0.1)] * 2)
    assert found.true.iloc[0] > 0
    other = trial(0, 0.9, 0.5, law=ErasingLaw(probability=1.0, fill="colour"))
    write_study(tmp_path / "other", [other], faces=False)
    with pytest.raises(InputError, match="no law with fill colour"):
        found_over_time(load_study(tmp_path / "other"), surface)


def test_two_studies_are_compared_on_paper_and_on_a_page(study, tmp_path):
    write_study(tmp_path / "more" / "orl", [trial(0, 0.9, 0.2)], faces=False)
    page = tmp_path / "page.html"
    folders = [str(study), str(tmp_path / "more" / "orl"), str(study)]
    result = CliRunner().invoke(compare, [*folders, "--page", str(page)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "more/orl" in result.output
    assert result.output.count(f"{tmp_path.name}/orl") == 2  # a study that is named twice is shown once, in two tables
    assert "0.720" in result.output
    assert "true hypervolume" not in result.output
    text = page.read_text()
    assert text.count("minutes of all workers together") == 2
    assert "These studies may be compared by natural accuracy and attack accuracy." in text
    assert "These studies may be compared" in result.output
    assert "someone" not in text  # no path of own images


def test_what_cannot_be_compared_is_one_line(study, tmp_path):
    with pytest.raises(InputError, match=r"nowhere.*no such folder"):
        CliRunner().invoke(compare, [str(tmp_path / "nowhere")], catch_exceptions=False)
    with pytest.raises(InputError, match="no table there"):
        CliRunner().invoke(compare, [str(study), "--table", "orll"], catch_exceptions=False)
    write_study(tmp_path / "empty", [trial(0, 0.0, None, "failed")], faces=False)
    with pytest.raises(InputError, match="no trial is complete yet"):
        CliRunner().invoke(compare, [str(tmp_path / "empty")], catch_exceptions=False)


def test_studies_are_comparable_only_where_data_attack_budget_prior_and_judge_are_the_same(tmp_path):
    def study(place: str, **config):
        return load_study(write_study(tmp_path / place, [trial(0, 0.9, 0.2)], faces=False, per_class=False, **config))

    base, same = study("a"), study("b", name="other")
    assert (
        comparability([base, same]).sentence()
        == "These studies may be compared by natural accuracy and attack accuracy."
    )
    judged = study("c", judge={"name": "residual_gn", "fingerprint": "another"})
    told = comparability([base, judged])
    assert told.reasons(ATTACK) == ["judge"] and told.reasons(NATURAL) == []
    assert "must not be compared by attack accuracy: they differ in judge" in told.sentence()
    stronger = study("d", attack={"name": "ppa", "budget": "4x", "parts": {"steps": 4}})
    assert comparability([base, stronger]).reasons(ATTACK) == ["budget of the attack", "parts of the attack"]
    assert ("attack.parts.steps", ("", "4")) in comparability([base, stronger]).setups
    data = {**base.config["data"], "private": {**base.config["data"]["private"], "fingerprint": "z"}}
    assert comparability([base, study("e", data=data)]).reasons(NATURAL) == ["private images"]
