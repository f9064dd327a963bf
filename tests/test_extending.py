"""The worked examples of docs/extending.md run as they stand, and the files that it names exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
KINDS = ("An attack", "A defence", "A prior", "A judge", "A data source", "A figure")


@pytest.mark.slow
def test_the_examples_run_as_one_script(tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2 + len(KINDS)  # the start, and a sampler
    script = tmp_path / "examples.py"
    script.write_text("\n\n".join(blocks), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_part_touches_at_most_three_files_which_exist(kind):
    section = PAGE.split(f"\n## {kind}\n")[1].split("\n## ")[0]
    files = re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)
    assert 1 <= len(files) <= 3
    for file in files:
        assert (ROOT / file.replace("NAME.py", "")).exists(), file
