"""Twins of published set-ups run from the command to the report: one a day here, all by run_twins.py."""

from __future__ import annotations

import datetime

import pytest

from mi_tune.library.setup_files import SETUPS
from studies.benchmarks.run_twins import run_twin

NAMES = sorted(file.stem for file in (SETUPS / "paper").glob("*.yaml"))


@pytest.mark.slow
@pytest.mark.ray
def test_the_twin_of_the_day_runs_to_its_report(tmp_path):
    # a step that shares no factor with their number, so that neighbours, which are alike, do not follow each other
    name = NAMES[datetime.date.today().toordinal() * 17 % len(NAMES)]
    _, told = run_twin(name, tmp_path)
    folder = tmp_path / f"{name}-twin"
    assert "complete" in told and (folder / "report.html").is_file()
    assert "Published figures" in (folder / "report.html").read_text()
