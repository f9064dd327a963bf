"""`mi-tune` and the scripts: one name for all commands, one line for each mistake, and the line to type next."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import mi_tune
from mi_tune.runtime.command import Command, run_command
from studies.cli import COMMANDS, cli
from studies.commands.next_step import SCRIPTS, line

STUDIES = Path(__file__).parents[1] / "studies"


def test_help_lists_every_command_and_each_has_help_of_its_own():
    said = CliRunner().invoke(cli, []).output
    for name in COMMANDS:
        assert name in said
        assert CliRunner().invoke(cli, [name, "--help"]).output.startswith(f"Usage: cli {name}")


def test_the_version_is_the_packages():
    assert CliRunner().invoke(cli, ["--version"]).output.split()[-1] == mi_tune.__version__


def test_an_unknown_command_is_one_line_that_offers_near_ones(capsys):
    assert run_command(cli, ["parto"], "mi-tune") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "parto" in said
    assert "pareto" in said


def test_an_interrupted_command_says_what_is_kept(capsys):
    @click.command(cls=Command, kept="the first half is in the folder")
    def stopped() -> None:
        raise KeyboardInterrupt

    assert run_command(stopped, []) == 130
    assert capsys.readouterr().err == "interrupted; the first half is in the folder\n"


def test_setups_lists_every_file_in_the_folder():
    said = CliRunner().invoke(cli, ["setups"]).output
    for file in (STUDIES / "setups").glob("*.yaml"):
        assert f" {file.stem} " in said


@pytest.mark.parametrize("script", SCRIPTS.values())
def test_every_script_is_a_door_to_its_command(script, tmp_path):
    done = subprocess.run(
        [sys.executable, str(STUDIES / script), "--help"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: {script}")


def test_after_a_script_the_next_line_names_a_script(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["studies/pareto.py"])
    monkeypatch.setattr(sys, "orig_argv", [".venv/bin/python", "studies/pareto.py"])
    assert line("confirm", "results/orl") == ".venv/bin/python studies/confirm.py results/orl"


def test_after_mi_tune_the_next_line_names_mi_tune(monkeypatch, tmp_path):
    program = Path(sys.executable).with_name("mi-tune")
    assert program.exists()
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    assert line("confirm", "results/my study") == "mi-tune confirm 'results/my study'"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert line("setups") == f"{program} setups"
