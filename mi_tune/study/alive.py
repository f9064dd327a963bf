"""Notices within seconds that a study's Ray is lost: its head (GCS), or the node of the driver (raylet).

Ray itself notices a lost head after a minute and then aborts the process, and a lost node never, if that is the
driver's own.
"""

from __future__ import annotations

import _thread
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from mi_tune.runtime.errors import LostClusterError

EVERY_SECONDS = 1.0
MISSES = 3
"""So many failed connections in a row mean that a process is lost."""

LOOK_EVERY = 5


class Watch:
    """Connects to the parts of a cluster again and again, in a thread of its own, and interrupts the main thread when
    one is lost.

    Args:
        parts: address of every part, (host, port), by what it is called in a message.
        each_time: called before the first round and every LOOK_EVERY-th after it.
        interrupt: called when a part is lost, and once more if that had no effect; by default it interrupts the main
            thread.
        give_up: called with the error if the main thread waits for the lost part in a way that nothing interrupts.
        every: seconds between two rounds.
    """

    def __init__(
        self,
        parts: Mapping[str, tuple[str, int]],
        each_time: Callable[[], None] = lambda: None,
        interrupt: Callable[[], None] | None = None,
        give_up: Callable[[LostClusterError], None] = lambda error: None,
        every: float = EVERY_SECONDS,
    ) -> None:
        self.parts, self.each_time, self.every, self.give_up = dict(parts), each_time, every, give_up
        self.interrupt = interrupt if interrupt is not None else _interrupt_main
        self.lost = ""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch Ray", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join(timeout=5)

    @property
    def error(self) -> LostClusterError:
        """What to raise once a part is lost."""
        return LostClusterError(
            f"{self.lost} of this study was lost; nothing that had finished is lost with it: go on with --resume"
        )

    def raise_if_lost(self) -> None:
        """Raise LostClusterError once a part is lost."""
        if self.lost:
            raise self.error

    def _run(self) -> None:
        misses, rounds = dict.fromkeys(self.parts, 0), 0
        while not self._done.wait(self.every):
            if rounds % LOOK_EVERY == 0:
                self.each_time()
            rounds += 1
            for name, address in self.parts.items():
                misses[name] = 0 if _answers(address, self.every) else misses[name] + 1
                if misses[name] >= MISSES and not self._done.is_set():
                    self.lost = name
                    self._react()
                    return

    def _react(self) -> None:
        # the first interrupt may only be noted
        for _ in range(2):
            self.interrupt()
            if self._done.wait(1.5 * self.every):
                return
        self.each_time()
        self.give_up(self.error)


def _interrupt_main() -> None:
    _thread.interrupt_main(signal.SIGINT)


def _answers(address: tuple[str, int], timeout: float) -> bool:
    try:
        socket.create_connection(address, timeout=timeout).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        time.sleep(timeout / 10)  # a network that does not answer: no busy loop
        return False
    return True


def parts_of(gcs: str, nodes: Sequence[Mapping[str, object]], here: str) -> dict[str, tuple[str, int]]:
    """The parts to watch.

    Args:
        gcs: address of the head, `host:port`. nodes: as `ray.nodes()` lists them. here: the driver's node.
    """
    host, _, port = gcs.rpartition(":")
    found = {"Ray's head (GCS)": (host.strip("[]"), int(port))}
    for node in nodes:
        if node["NodeID"] == here and isinstance(node["NodeManagerPort"], int):
            found["Ray's node (raylet)"] = str(node["NodeManagerAddress"]), node["NodeManagerPort"]
    return found
