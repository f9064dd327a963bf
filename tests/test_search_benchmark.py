"""The command that compares searches: what it prints, what it draws, and how it refuses."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from synthetic_table import make_table

from analysis import figures
from analysis.statistics.searches import Curves, comparison
from mi_tune.erasing import NO_DEFENCE
from mi_tune.replay import trace_cache
from mi_tune.replay.earlier import earlier_study
from mi_tune.replay.surface import Surface
from mi_tune.runtime.errors import InputError
from studies.benchmarks import search_benchmark
from studies.benchmarks.search_benchmark import benchmark


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    stem = tmp_path_factory.mktemp("tables") / "small"
    rows, about = make_table(40)
    rows.to_parquet(stem.with_suffix(".parquet"))
    stem.with_suffix(".yaml").write_text(yaml.safe_dump(about))
    return stem.with_suffix(".parquet")


def test_two_methods_are_compared_on_paper_and_on_a_page(table, tmp_path):
    page = tmp_path / "page.html"
    options = [
        "--methods",
        "qmc,random+race",
        "--repetitions",
        "2",
        "--workers",
        "1,3",
        "--cost",
        "12",
        "--against",
        "qmc",
    ]
    result = CliRunner().invoke(
        benchmark, ["--table", str(table), *options, "--processes", "1", "--page", str(page)], catch_exceptions=False
    )
    assert result.exit_code == 0
    for text in (
        "ratio to qmc",
        "random+race",
        "qmc",
        "3 workers, 2 repetitions",
        "leave-one-law-out",
        "best possible",
    ):
        assert text in result.output
    assert page.read_text().count("whole trials") > 2
    assert '"showSendToCloud": false' in page.read_text()


def test_a_study_that_was_kept_is_not_simulated_again_unless_it_is_damaged(table, tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    plain = ["--table", str(table), "--methods", "qmc", "--workers", "1", "--cost", "12", "--longer", "1"]
    options = [*plain, "--processes", "1", "--keep", str(folder), "--page", str(tmp_path / "page.html")]

    def run(*more: str) -> str:
        return CliRunner().invoke(benchmark, [*options, "--repetitions", "2", *more], catch_exceptions=False).output

    first, files = run(), sorted(folder.iterdir())
    assert len(files) == 4
    simulated: list[str] = []
    real = search_benchmark._simulate
    monkeypatch.setattr(search_benchmark, "_simulate", lambda task: simulated.append(task.method) or real(task))
    assert run() == first
    assert simulated == []
    run("--repetitions", "3")
    assert sorted(simulated) == ["qmc", "random"]
    files[0].write_bytes(b"cut off")
    run()
    assert len(simulated) == 3
    names = {path.name for path in trace_cache.code_files()}
    assert {
        "seeds.py",
        "law.py",
        "space.py",
        "whole.py",
        "laws.py",
        "intervals.py",
        "journal.py",
        "nehvi.py",
        "surface.py",
    } <= names
    plain_files = trace_cache.code_files(modelled=False)
    model_files = {path.name for path in trace_cache.code_files() if path not in plain_files}
    assert model_files == set(trace_cache.MODEL_FILES)
    monkeypatch.setattr(trace_cache, "_versions", lambda: {"optuna": "another"})
    run()
    assert len(simulated) == 7


def test_an_earlier_study_has_a_luck_of_its_own():
    surface = Surface(*make_table(40))
    first, second = (earlier_study(surface, "earlier", seed).runs for seed in (0, 1))
    undefended = first[first.reference == "no defence"].iloc[0]
    assert len(first) == 36
    assert undefended.natural_accuracy != surface.draw(NO_DEFENCE, 0, 0).natural[-1]
    assert undefended.natural_accuracy != second[second.reference == "no defence"].natural_accuracy.iloc[0]


def test_a_warm_start_needs_the_table_of_another_study(table, tmp_path):
    options = ["--table", str(table), "--methods", "nehvi+warm,nehvi+seeded", "--processes", "1"]
    with pytest.raises(InputError, match="--earlier"):
        CliRunner().invoke(benchmark, options, catch_exceptions=False)
    more = ["--earlier", str(table), "--repetitions", "2", "--workers", "1", "--cost", "8", "--longer", "1"]
    page = ["--page", str(tmp_path / "page.html")]
    result = CliRunner().invoke(benchmark, [*options, *more, *page], catch_exceptions=False)
    assert result.exit_code == 0
    assert "nehvi+warm" in result.output


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--methods", "nehv"], "nehvi"),
        (["--against", "nehv"], "nehvi"),
        (["--workers", "two"], "whole numbers"),
        (["--workers", "0"], "at least one"),
        (["--surface", "spline"], "nearest law"),
    ],
)
def test_what_cannot_be_run_is_one_line(table, options, hint):
    with pytest.raises(InputError, match=hint):
        CliRunner().invoke(benchmark, ["--table", str(table), *options], catch_exceptions=False)


def test_the_figure_has_a_line_and_a_band_for_every_method():
    cost = np.linspace(0, 20, 41)[1:]
    grown = {n: Curves(cost, np.tile(1 - np.exp(-k * cost / 4), (5, 1))) for k, n in enumerate(("random", "nehvi"), 1)}
    figure = figures.plot_searches(figures.searches_info(grown, 0.95))
    assert [trace.name for trace in figure.data if trace.mode == "lines"] == ["random", "nehvi"]
    assert sum(trace.fill == "toself" for trace in figure.data) == 2
    assert figure.data[1].y[-1] == pytest.approx(grown["random"].mean[-1])


def test_the_comparison_has_costs_ratios_and_what_is_added():
    cost = np.linspace(0, 60, 121)[1:]
    grown = {n: Curves(cost, np.tile(1 - np.exp(-s * cost), (5, 1))) for n, s in (("random", 0.1), ("nehvi", 0.2))}
    rows = comparison(grown, "random", 0.95, {"nehvi": {"milliseconds": 4.0}}).set_index("method")
    assert rows.cost["random"] == pytest.approx(np.log(20) / 0.1, rel=0.02)
    assert rows.ratio["nehvi"] == pytest.approx(0.5, rel=0.02)
    assert rows.ratio["random"] == 1
    assert rows.milliseconds["nehvi"] == 4
