"""What is left to do when the process of a study ends without being able to do anything.

Ray ends the driver's process at once, without an exception, when it calls its node (raylet) while that is lost and
before `alive.Watch` has noticed; and nothing can catch SIGKILL. So a small process waits at a pipe: it ends quietly if
it is told to. If the pipe closes without a word, it says how to go on, and ends what the study has started.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

ENDED_AT_ONCE = (
    "error: this study was ended from outside (killed, or Ray's node was lost); nothing that had finished is lost with "
    "it: go on with --resume"
)
MARK = "MI_TUNE_STARTED_BY"
"""Variable by which the processes are found that a study has started, Ray's among them, whoever is their parent."""

_WAIT = """
import os, signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if not sys.stdin.buffer.read():
    sys.stderr.write("\\n" + sys.argv[1] + "\\n")
    for _ in range(20):  # what starts while others are ended is ended in the next round
        left = 0
        for name in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else []):
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if sys.argv[2].encode() in file.read().split(b"\\0"):
                        os.kill(int(name), signal.SIGKILL)
                        left += 1
            except OSError:
                pass
        if not left:
            break
        time.sleep(0.1)
"""


@contextmanager
def last_words(text: str = ENDED_AT_ONCE) -> Iterator[None]:
    """Within it, if this process ends without leaving it, `text` goes to standard error, and whatever was started
    since and is still there is killed. A cluster that was there before is not touched.
    """
    before, mark = os.environ.get(MARK), uuid.uuid4().hex
    command = [sys.executable, "-S", "-E", "-c", _WAIT, text, f"{MARK}={mark}"]
    waiting = subprocess.Popen(command, stdin=subprocess.PIPE)
    os.environ[MARK] = mark  # after the start of the waiting process, which must not be one of them
    try:
        yield
    finally:
        if before is None:
            del os.environ[MARK]
        else:
            os.environ[MARK] = before
        try:
            waiting.communicate(b"left", timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            waiting.kill()
            waiting.wait()
