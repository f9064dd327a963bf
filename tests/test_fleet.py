"""A list of jobs as Ray trials."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mi_tune.study.cluster import connect
from mi_tune.study.fleet import run_jobs

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_every_job_is_done_once_by_workers_that_prepare_once_and_a_broken_one_says_why(tmp_path: Path):
    # defined here, so that they travel by value: workers cannot import this file
    def prepare(device) -> dict:
        return {"process": os.getpid(), "device": device.type}

    def work(own: dict, job: int) -> dict:
        if job == 3:
            raise ValueError("job three is broken")
        return {"square": job**2, **own}

    told: dict[int, dict] = {}

    def done(job: int, result: dict) -> None:
        assert job not in told
        told[job] = result

    with connect(None, 0, 2) as resources:
        run_jobs(range(8), prepare, work, resources, tmp_path / "ray", done)
        assert set(told) == set(range(8))
        assert all(told[job]["square"] == job**2 for job in told if job != 3)
        assert "job three is broken (ValueError, test_fleet.py:" in told[3]["reason"]
        assert len({told[job]["process"] for job in told if job != 3}) <= 2
        run_jobs([], prepare, work, resources, tmp_path / "ray", done)
