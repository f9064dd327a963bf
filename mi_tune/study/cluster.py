"""Ray, started or joined, without its noise. Import this before anything that imports Ray."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

# Ray reads these while it is imported. Users' own settings win.
for _name, _value in {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}.items():
    os.environ.setdefault(_name, _value)

import ray  # noqa: E402

from mi_tune.runtime.errors import InputError  # noqa: E402

MANY = 10**6
"""For Ray's own limit of trials at a time, where the searcher keeps a closer one. Without any, Ray starts workers one
after the other."""
FRESH_SECONDS = 5.0
"""Time for which what was read of the cluster is believed."""


@dataclass
class Room:
    """How many trials fit on the cluster now: the number follows nodes as they join and leave.

    Args:
        read: says how many fit; asked at most every FRESH_SECONDS. most: trials that are wanted at most, or None.
        clock: seconds that go on.
    """

    read: Callable[[], int]
    most: int | None
    clock: Callable[[], float] = time.monotonic
    _known: tuple[float, int] | None = None

    def __call__(self) -> int:
        """At least 1: what does not fit waits for a node."""
        now = self.clock()
        if self._known is None or now - self._known[0] >= FRESH_SECONDS:
            self._known = now, self.read()
        fit = self._known[1]
        return max(1, fit if self.most is None else min(fit, self.most))


@dataclass
class Demand:
    """Tells an autoscaler how many trials could run. It cannot see them: none is suggested before it has a place.

    Args:
        ask: given the resources of every trial that could run, one mapping each; called at most every FRESH_SECONDS,
            but at once when none is left. bundle: those of one. most: as many as are wanted at most, or None.
        clock: seconds that go on.
    """

    ask: Callable[[list[dict[str, float]]], None]
    bundle: Mapping[str, float]
    most: int | None
    clock: Callable[[], float] = time.monotonic
    _asked: tuple[float, int] = (-FRESH_SECONDS, 0)

    def __call__(self, trials: int) -> None:
        """`trials` are left to run, those that run among them."""
        count = trials if self.most is None else min(trials, self.most)
        then, asked = self._asked
        now = self.clock()
        if count != asked and (count == 0 or now - then >= FRESH_SECONDS):
            self._asked = now, count
            self.ask([dict(self.bundle) for _ in range(count)])


@dataclass(frozen=True)
class Resources:
    """What one trial takes, how many fit at once as the study begins, and how many do at any time; and whom to tell
    how many trials are left, for whom a cluster may grow."""

    gpus_per_trial: float
    workers: int
    room: Room = field(compare=False)
    demand: Demand = field(compare=False)


@contextmanager
def connect(address: str | None, gpus_per_trial: float | None, workers: int | None) -> Iterator[Resources]:
    """Start Ray on this machine, or join the cluster at `address` ("auto" for the one this machine belongs to).

    Args:
        gpus_per_trial: None gives every trial one GPU where there are any.
        workers: trials at a time at most; None fills what is there (one CPU each), also of nodes that join later.

    Raises:
        InputError: no cluster at the address, or a trial asks for more than there is.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if address is None:
        # a private cluster of this process on the loopback interface; its token would be written to the home folder
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
        # "local": without it Ray joins whatever other study or test has a cluster on this machine, and dies with it
        options |= {"address": "local", "include_dashboard": False} | ({"num_cpus": workers} if workers else {})
    else:
        options["address"] = address
    try:
        ray.init(**options)
    except (ConnectionError, ValueError) as error:
        raise InputError(
            f"no Ray cluster at address '{address}' ({str(error).splitlines()[0]}); start one with 'ray start --head'"
        ) from error
    demand: Demand | None = None
    try:
        wanted = _gpus_wanted(ray.cluster_resources().get("GPU", 0), gpus_per_trial)
        room = Room(lambda: fitting(_nodes(), wanted), workers)
        bundle = {"CPU": 1.0} | ({"GPU": wanted} if wanted else {})
        demand = Demand((lambda bundles: None) if address is None else _request, bundle, workers)
        yield Resources(wanted, room(), room, demand)
    finally:
        if demand is not None:
            demand(0)  # it would be remembered for ever
        ray.shutdown()


def _gpus_wanted(gpus: float, gpus_per_trial: float | None) -> float:
    wanted = (1.0 if gpus else 0.0) if gpus_per_trial is None else gpus_per_trial
    if wanted > gpus:
        raise InputError(f"--gpus-per-trial {wanted:g}: there are {gpus:g} GPUs; ask for fewer")
    return wanted


def _request(bundles: list[dict[str, float]]) -> None:
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=bundles)


def _nodes() -> list[Mapping[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def fitting(nodes: Iterable[Mapping[str, float]], gpus_per_trial: float) -> int:
    """How many trials of one CPU each fit on nodes, by their resources `CPU` and `GPU`; a trial is on one of them."""
    count = 0
    for node in nodes:
        fit, gpus = int(node.get("CPU", 0)), node.get("GPU", 0)
        if gpus_per_trial >= 1:
            fit = min(fit, int(gpus / gpus_per_trial + 1e-9))
        elif gpus_per_trial:
            # no trial has parts of two GPUs
            fit = min(fit, int(gpus) * int(1 / gpus_per_trial + 1e-9))
        count += fit
    return count
