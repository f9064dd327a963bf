"""What a study says when its process ends without being able to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


STARTS = """import subprocess
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    child = subprocess.Popen(sleep, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(child.pid, flush=True)
    """


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")
@pytest.mark.parametrize(("act", "alive"), [("os._exit(1)", False), ("pass", True)])
def test_what_a_process_has_started_ends_with_it_only_if_it_ends_at_once(act, alive):
    ran = subprocess.run([sys.executable, "-c", CODE.format(STARTS + act)], capture_output=True, text=True, timeout=60)
    started = int(ran.stdout)
    until = time.monotonic() + 5
    while not alive and running(started) and time.monotonic() < until:
        time.sleep(0.05)
    assert running(started) == alive
    if alive:
        os.kill(started, signal.SIGKILL)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("act", ["pass", "sys.exit(3)"])
def test_a_process_that_ends_as_it_should_leaves_nothing(act):
    assert said(act)[1] == ""


def test_an_error_passes_through_unchanged(capfd):
    with pytest.raises(ValueError, match="mine"), last_words():
        raise ValueError("mine")
    assert ENDED_AT_ONCE not in capfd.readouterr().err
