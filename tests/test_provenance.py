"""What every folder records of where its numbers come from."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from conftest import assert_provenance

from analysis.pages.settings import settings_text
from mi_tune import __version__
from mi_tune.runtime.provenance import command_line, installed_versions, provenance

SIDES = {"data": {"private": {"fingerprint": "a"}, "public": {"fingerprint": "b"}}}


def test_the_provenance_is_plain_values_with_every_version():
    found = provenance(torch.device("cpu"))
    assert json.loads(json.dumps(found)) == found
    assert found["versions"]["mi_tune"] == __version__
    assert found["versions"]["torch"] == torch.__version__
    assert found["machine"]["device"] == "cpu" and found["precision"] == "float32"
    assert_provenance({**SIDES, **found})


@pytest.mark.parametrize("missing", ["created", "command", "versions", "machine", "precision", "data"])
def test_a_description_that_lacks_a_part_is_noticed(missing: str):
    whole = {**SIDES, **provenance(torch.device("cpu"))}
    with pytest.raises((AssertionError, KeyError)):
        assert_provenance({name: value for name, value in whole.items() if name != missing})


def test_a_package_that_is_not_installed_has_no_version():
    assert list(installed_versions(["torch", "no-such-package"])) == ["torch"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/env/bin/mi-tune", "pareto", "--trials", "9"], "mi-tune pareto --trials 9"),
        (["studies/pareto.py", "--smoke"], "python studies/pareto.py --smoke"),
        (["/home/someone/clone/pareto.py"], "python .../pareto.py"),
        (["/env/lib/analysis/__main__.py", "results/orl"], "python -m analysis results/orl"),
        (["mi-tune", "pareto", "--private", "/home/someone/my people"], "mi-tune pareto --private '.../my people'"),
        (["mi-tune", "pareto", "--out=/home/someone/out", "area=0.4"], "mi-tune pareto --out=.../out area=0.4"),
    ],
)
def test_the_command_line_can_be_typed_again_and_tells_no_folders(monkeypatch, arguments: list[str], said: str):
    monkeypatch.setattr(sys, "argv", arguments)
    assert command_line() == said


def test_a_script_in_the_working_directory_is_named_from_there(monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(Path.cwd() / "studies" / "pareto.py")])
    assert command_line() == "python studies/pareto.py"


def test_a_page_prints_every_setting_but_the_command_and_the_users_folders():
    config = {"command": "mi-tune pareto --private mine", "config": {"data": {"private": "/home/mine"}}, "seed": 0}
    text = settings_text(config)
    assert "mine" not in text and "own folder" in text and "seed: 0" in text
    assert config["config"]["data"]["private"] == "/home/mine"
