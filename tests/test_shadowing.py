"""Packages of the user that have the same names as ours."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mi_tune
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.shadowing import check_packages

HOME = Path(mi_tune.__file__).parents[1]
MI_TUNE = [sys.executable, "-c", "from mi_tune_cli import main; main()"]


def run(command: list[str], *path: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd)


def another(kind: str, name: str, folder: Path) -> Path:
    """A module, a package or a plain folder of the user with the name of a package of ours."""
    if kind == "module":
        path = folder / f"{name}.py"
        path.write_text("raise SystemExit('ran code of the user')")
        return path
    path = folder / name
    path.mkdir()
    if kind == "package":
        (path / "__init__.py").write_text("raise SystemExit('ran code of the user')")
    return path


@pytest.mark.parametrize("name", ["analysis", "studies"])
@pytest.mark.parametrize("kind", ["module", "package"])
def test_another_package_of_the_same_name_is_named_in_one_line(name: str, kind: str, tmp_path: Path):
    path = another(kind, name, tmp_path)
    done = run(MI_TUNE, tmp_path, HOME, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and str(path) in done.stderr and f"'{name}'" in done.stderr
    assert done.stdout == ""


def test_a_package_that_is_found_after_ours_does_no_harm(tmp_path: Path):
    another("package", "studies", tmp_path)
    assert run([*MI_TUNE, "--version"], HOME, tmp_path, cwd=HOME).returncode == 0


def test_a_plain_folder_hides_nothing_that_lies_on_the_path(tmp_path: Path):
    another("folder", "studies", tmp_path)
    another("folder", "analysis", tmp_path)
    assert run([*MI_TUNE, "--version"], tmp_path, HOME, cwd=tmp_path).returncode == 0


def test_the_report_refuses_pages_of_another_mi_tune(tmp_path: Path):
    (tmp_path / "analysis").symlink_to(HOME / "analysis")
    assert run([sys.executable, "-m", "analysis", "--help"], HOME, cwd=tmp_path).returncode == 0
    (tmp_path / "analysis").unlink()
    (tmp_path / "analysis").mkdir()
    for file in ("__init__.py", "__main__.py"):
        (tmp_path / "analysis" / file).write_bytes((HOME / "analysis" / file).read_bytes())
    done = run([sys.executable, "-m", "analysis", "--help"], HOME, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and str(tmp_path / "analysis") in done.stderr


def test_a_missing_package_is_said():
    with pytest.raises(InputError, match=r"'no_such_package' of mi_tune .* missing"):
        check_packages("no_such_package")


def test_the_console_command_enters_where_the_check_is():
    project = tomllib.loads((HOME / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"mi-tune": "mi_tune_cli:main"}
    assert project["tool"]["setuptools"]["py-modules"] == ["mi_tune_cli"]
