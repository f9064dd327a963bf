"""Every measurement script can be called from where it lies, and finds the files that it starts from."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "studies" / "benchmarks"
SCRIPTS = sorted(f for f in FOLDER.glob("*.py") if "__main__" in f.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_says_what_it_measures(script, tmp_path):
    done = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout or "usage" in done.stdout


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.py")), ids=lambda script: script.stem)
def test_a_file_that_is_looked_for_beside_the_script_is_there(script):
    text = script.read_text(encoding="utf-8")
    for name in re.findall(r'Path\(__file__\)\.(?:parent / |with_name\()"([^"]+)"', text):
        assert (script.parent / name).exists(), name
    for steps, name in re.findall(r'Path\(__file__\)\.parents\[(\d)\] / "([^"]+)"', text):
        assert (script.parents[int(steps)] / name).exists(), name
