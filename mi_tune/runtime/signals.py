"""SIGINT, SIGTERM and SIGHUP: all three end the work in order, wherever it is."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C; what batch systems and `kill` send; what a terminal sends when it closes."""


SAME_SECONDS = 2.0


class Ended(KeyboardInterrupt):
    """A signal ends the work. Whoever handles Ctrl-C handles the other signals as well.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def status(self) -> int:
        """Exit status of a command that a signal has ended: 128 + its number."""
        return 128 + self.number


@dataclass
class Ending:
    """What has been asked of this process.

    Args:
        number: of the first signal that arrived while signals were deferred; 0 for none.
    """

    number: int = 0
    _deferred: bool = False
    _noted: float = 0.0

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within it, the first signal is only noted in `number`; a second one raises Ended at once.

        SIGTERM and SIGHUP may be sent to a process and at once to its whole group, as `timeout` does: the same one
        within SAME_SECONDS is the first. A second Ctrl-C is always a second.
        """
        before, self._deferred = self._deferred, True
        try:
            yield
        finally:
            self._deferred = before

    def raise_if_asked(self) -> None:
        """Raise Ended if a signal was noted."""
        if self.number:
            raise Ended(self.number)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._deferred and not self.number:
            self.number, self._noted = number, now
            return
        again = number == self.number != signal.SIGINT and now - self._noted < SAME_SECONDS
        if not (self._deferred and again):
            raise Ended(number)


@contextmanager
def ending() -> Iterator[Ending]:
    """Within it, the three signals raise Ended in the main thread, or are noted; see `Ending`.

    A signal that is ignored stays so: `nohup` ignores SIGHUP. In another thread than the main one nothing is changed,
    because Python allows handlers only there.
    """
    asked = Ending()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, asked)
    try:
        yield asked
    finally:
        _restore(before)


@contextmanager
def kept_handlers() -> Iterator[None]:
    """For what installs handlers of its own, such as Ray: afterwards those of before are back.

    Processes that are started within it do not get SIGINT and SIGHUP, which a terminal sends to all of them at once: it
    is for this process to end the others, once they have kept their work. What arrives within it is handled at its end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    try:
        yield
    except SystemExit as error:  # Ray's handler of SIGTERM
        raise Ended(signal.SIGTERM) from error
    finally:
        _restore(before)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _restore(handlers: dict[signal.Signals, Callable[..., Any] | int | None]) -> None:
    for number, handler in handlers.items():
        if handler is not None:
            signal.signal(number, handler)
