"""Every measurement script can be called from where it lies, and finds the files that it starts from."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "studies" / "benchmarks"
SCRIPTS = sorted(f for f in FOLDER.glob("*.py") if "__main__" in f.read_text(encoding="utf-8"))


ALL_ASKED_FOR_HELP = """
import contextlib, io, json, runpy, sys
found = {}
for script in sys.argv[1:]:
    said, sys.argv, path = io.StringIO(), [script, "--help"], list(sys.path)
    sys.path.insert(0, script.rpartition("/")[0])
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(script, run_name="__main__")
        found[script] = [None, said.getvalue()]
    except SystemExit as ended:
        found[script] = [ended.code or 0, said.getvalue()]
    sys.path[:] = path
print(json.dumps(found))
"""
"""Runs each script as `python script --help` does, in one process, because each would import torch again."""


@pytest.fixture(scope="module")
def helped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int | None, str]]:
    """What every script prints if it is asked for help, and its exit status."""
    command = [sys.executable, "-c", ALL_ASKED_FOR_HELP, *map(str, SCRIPTS)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path_factory.mktemp("elsewhere"))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_says_what_it_measures(script, helped):
    status, said = helped[str(script)]
    assert status == 0
    assert said.lower().startswith("usage")


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.py")), ids=lambda script: script.stem)
def test_a_file_that_is_looked_for_beside_the_script_is_there(script):
    text = script.read_text(encoding="utf-8")
    for name in re.findall(r'Path\(__file__\)\.(?:parent / |with_name\()"([^"]+)"', text):
        assert (script.parent / name).exists(), name
    for steps, name in re.findall(r'Path\(__file__\)\.parents\[(\d)\] / "([^"]+)"', text):
        assert (script.parents[int(steps)] / name).exists(), name
