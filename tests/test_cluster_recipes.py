"""The recipes for clusters: they parse, keep to the schemas that are at hand, and keep strangers out."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml

RECIPES = Path(__file__).parents[1] / "studies" / "cluster"
SLURM, LAUNCHER, RAYJOB = (RECIPES / name for name in ("slurm.sh", "launcher.yaml", "rayjob.yaml"))

STUB = """#!/bin/bash
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0")" in
    srun) shift 0; while [[ $1 == --* ]]; do shift; done; exec "$@" ;;
    ray) [[ $* == *--head* ]] && exec python3 -c '
import socket, sys
port = int([a for a in sys.argv if a.startswith("--port=")][0][7:])
s = socket.create_server(("", port)); s.settimeout(60)
while True: s.accept()' "$@"; exec sleep 60 ;;
    mi-tune) mkdir -p "$OUT/faces"; echo > "$OUT/faces/study.yaml"
        trap 'echo ended by SIGTERM; exit 143' TERM; echo started; for _ in $(seq 100); do sleep 0.1; done; exit 0 ;;
esac
"""


@pytest.fixture
def slurm(tmp_path):
    """What SLURM gives a batch script, with stand-ins for the commands that it calls."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("srun", "scontrol", "ray", "mi-tune"):
        (commands / name).write_text(STUB)
        (commands / name).chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "OUT": str(tmp_path / "results"),
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NUM_NODES": "3",
        "SLURM_CPUS_PER_TASK": "4",
        "SLURM_GPUS_ON_NODE": "2",
    }


def start(environment) -> subprocess.Popen:
    return subprocess.Popen(
        ["bash", str(SLURM), "--name", "faces", "--trials", "9"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_slurm_job_whose_time_is_up_ends_its_study_and_is_requeued_to_resume_it(slurm):
    for attempt in range(2):
        job = start(slurm)
        assert job.stdout is not None
        for line in job.stdout:
            if "started" in line:
                break
        job.terminate()  # as --signal=B:TERM does
        rest, _ = job.communicate(timeout=60)
        assert job.returncode == 143
        assert "ended by SIGTERM" in rest
        calls = Path(slurm["CALLS"]).read_text()
        assert calls.count(f"scontrol requeue {slurm['SLURM_JOB_ID']}") == attempt + 1
        studies = re.findall(r"mi-tune (pareto .*)", calls)
        assert ("--resume" in studies[-1]) == bool(attempt)
        assert studies[-1].endswith("--name faces --trials 9")
        assert "--include-dashboard=false" in calls
        assert calls.count("--num-cpus=4 --num-gpus=2") == 4 * (attempt + 1), "head and workers, by srun and by ray"
        assert "--nodes=2 --ntasks=2 --exclude=" in calls


def test_every_job_has_a_token_of_its_own():
    text = SLURM.read_text()
    assert "RAY_AUTH_MODE=token" in text and "/dev/urandom" in text
    assert subprocess.run(["bash", "-n", str(SLURM)]).returncode == 0


def test_the_launcher_keeps_to_ray_s_schema_and_closes_the_dashboard():
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    config = yaml.safe_load(LAUNCHER.read_text())
    jsonschema.validate(config, schema)
    (head,) = [line for line in config["head_start_ray_commands"] if "--head" in line]
    assert "--dashboard-host=127.0.0.1" in head
    assert "RAY_AUTH_MODE=token" in " ".join(config["setup_commands"])
    assert "~/.ray/auth_token" in config["file_mounts"]


def test_the_ray_job_keeps_the_study_at_the_head_and_exposes_nothing():
    job = yaml.safe_load(RAYJOB.read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    cluster = spec["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["rayVersion"] == ray.__version__
    assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"
    head = cluster["headGroupSpec"]["template"]["spec"]
    workers = [group["template"]["spec"] for group in cluster["workerGroupSpecs"]]
    assert [mount["mountPath"] for mount in head["containers"][0]["volumeMounts"]] == ["/study"]
    assert not any("volumes" in worker for worker in workers)
    assert "--resume" in spec["entrypoint"] and "--out /study" in spec["entrypoint"]
    assert spec["backoffLimit"] > 0, "a lost head begins the job anew"
