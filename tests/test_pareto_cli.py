"""The command line: every mistake is one line and exit status 2, before anything is computed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import make_bank, write_image_folder

from mi_tune.runtime.command import run_command
from studies.commands.pareto import pareto


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["pareto.py", *arguments])
    monkeypatch.setattr("ray.init", lambda *a, **k: pytest.fail("Ray was started"))
    status = run_command(pareto)
    return status, capsys.readouterr().err


def own_data(people: Path, others: Path, tmp_path: Path) -> list[str]:
    folders = ["--private", str(people), "--public", str(others), "--out", str(tmp_path / "r")]
    return [*folders, "--resolution", "16"]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return write_image_folder(make_bank(6), tmp_path / "people")


@pytest.fixture
def others(tmp_path: Path) -> Path:
    return write_image_folder(make_bank(4, seed=1), tmp_path / "others")


WRONG_FLAGS = [
    (["--sampler", "nsgaii"], "nsga2"),
    (["--architecture", "resnet_18"], "resnet18"),
    (["--attack", "pap"], "ppa"),
    (["--attack", "gmi"], "--prior dcgan"),
    (["--prior", "style"], "needs a generator"),
    (["--generator", "mine.py:make"], "--prior"),
    (["--prior", "import", "--generator", "nowhere.py:make"], "nowhere.py"),
    (["--setup", "orll"], "orll.yaml"),
    (["--trials", "0"], "search.trials"),
    (["--epochs", "-3"], "target.epochs"),
    (["--resolution", "8"], "data.resolution"),
    (["--budget", "huge"], "reduced"),
    (["--trails", "9"], "--trials"),
    (["--time-budget", "0"], "time-budget"),
    (["--min-accuracy", "90"], "min_accuracy"),
    (["--private", "/nowhere"], "/nowhere"),
    (["--public", "/nowhere"], "--private"),
    (["--identities", "39"], "private_identities"),
    (["--resume"], "no study to resume"),
    (["--name", "a/b"], "name"),
]


@pytest.mark.parametrize(("flags", "hint"), WRONG_FLAGS, ids=[" ".join(f) for f, _ in WRONG_FLAGS])
def test_a_wrong_flag_is_one_line_that_names_it(monkeypatch, capsys, tmp_path, flags, hint):
    status, err = call(monkeypatch, capsys, *flags, "--out", str(tmp_path / "results"))
    assert status == 2
    assert err.startswith("error: ")
    assert hint in err
    assert err.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_an_upside_down_range_in_a_setup_is_named(monkeypatch, capsys, tmp_path):
    setup = tmp_path / "mine.yaml"
    setup.write_text("name: mine\nsearch: {space: {area_low: [0.7, 0.1]}}\n")
    status, err = call(monkeypatch, capsys, "--setup", str(setup), "--out", str(tmp_path / "r"))
    assert (status, err.count("\n")) == (2, 1)
    assert "search.space: area_low is upside down" in err
    assert str(setup) in err


def test_an_identity_in_both_folders_is_named(monkeypatch, capsys, tmp_path, people, others):
    (others / "person0_2").mkdir()
    for image in (people / "person0_2").iterdir():
        (others / "person0_2" / image.name).write_bytes(image.read_bytes())
    status, err = call(monkeypatch, capsys, *own_data(people, others, tmp_path))
    assert (status, err.count("\n")) == (2, 1)
    assert "person0_2" in err


@pytest.mark.parametrize("damage", ["empty", "truncated", "few"])
def test_bad_images_are_named_before_any_compute(monkeypatch, capsys, tmp_path, people, others, damage):
    victim = sorted((people / "person0_1").iterdir())[0]
    if damage == "empty":
        for image in others.rglob("*.png"):
            image.unlink()
        culprit = str(others)
    elif damage == "truncated":
        victim.write_bytes(victim.read_bytes()[:60])
        culprit = str(victim)
    else:
        for image in sorted((people / "person0_1").iterdir())[1:]:
            image.unlink()
        culprit = "person0_1"
    status, err = call(monkeypatch, capsys, *own_data(people, others, tmp_path))
    assert (status, err.count("\n")) == (2, 1)
    assert culprit in err


def test_a_full_disk_is_found_before_the_study_starts(monkeypatch, capsys, tmp_path):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")(10**9, 10**9, 1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    status, err = call(monkeypatch, capsys, "--smoke", "--out", str(tmp_path / "r"))
    assert (status, err.count("\n")) == (2, 1)
    assert "MB" in err


def test_help_names_every_option_of_the_readme():
    out = subprocess.run(
        [sys.executable, str(Path(__file__).parents[1] / "studies" / "pareto.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for option in (
        "--private",
        "--public",
        "--resume",
        "--trials",
        "--time-budget",
        "--address",
        "--gpus-per-trial",
        "--seed",
        "--sampler",
        "--smoke",
        "--include-images",
    ):
        assert option in out
