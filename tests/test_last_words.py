"""What a study says when its process ends without being able to."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mi_tune.study.last_words import ENDED_AT_ONCE, last_words

CODE = "import os, signal, sys\nfrom mi_tune.study.last_words import last_words\nwith last_words():\n    {}"


def said(act: str) -> tuple[int, str]:
    # its standard error stays open until the waiting process has ended too
    ran = subprocess.run([sys.executable, "-c", CODE.format(act)], capture_output=True, text=True, timeout=60)
    return ran.returncode, ran.stderr.strip()


@pytest.mark.parametrize(
    ("act", "status"), [("os._exit(1)", 1), ("os.kill(os.getpid(), signal.SIGKILL)", -9), ("os.abort()", -6)]
)
def test_a_process_that_ends_at_once_leaves_one_line_that_says_how_to_go_on(act, status):
    ended, line = said(act)
    assert ended == status
    assert line.splitlines()[-1] == ENDED_AT_ONCE and "--resume" in line


@pytest.mark.parametrize("act", ["pass", "sys.exit(3)"])
def test_a_process_that_ends_as_it_should_leaves_nothing(act):
    assert said(act)[1] == ""


def test_an_error_passes_through_unchanged(capfd):
    with pytest.raises(ValueError, match="mine"), last_words():
        raise ValueError("mine")
    assert ENDED_AT_ONCE not in capfd.readouterr().err
