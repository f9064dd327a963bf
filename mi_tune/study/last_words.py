"""A line for the user when the process of a study ends without being able to say anything.

Ray ends the driver's process at once, without an exception, when it calls its node (raylet) while that is lost and
before `alive.Watch` has noticed; and nothing can catch SIGKILL. So a small process waits at a pipe: it ends quietly if
it is told to, and says the line if the pipe closes without a word.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ENDED_AT_ONCE = (
    "error: this study was ended from outside (killed, or Ray's node was lost); nothing that had finished is lost with "
    "it: go on with --resume"
)

_WAIT = """
import signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if not sys.stdin.buffer.read():
    sys.stderr.write("\\n" + sys.argv[1] + "\\n")
"""


@contextmanager
def last_words(text: str = ENDED_AT_ONCE) -> Iterator[None]:
    """Within it, `text` goes to standard error if this process ends without leaving it."""
    waiting = subprocess.Popen([sys.executable, "-S", "-E", "-c", _WAIT, text], stdin=subprocess.PIPE)
    try:
        yield
    finally:
        try:
            waiting.communicate(b"left", timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            waiting.kill()
            waiting.wait()
