"""Start Ray on this machine or join a cluster, with its log output off."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ray

from mi_tune.runtime.command import abandon, is_command
from mi_tune.runtime.errors import InputError, LostClusterError
from mi_tune.runtime.imported import one_line
from mi_tune.runtime.signals import kept_handlers
from mi_tune.study.alive import Watch, parts_of
from mi_tune.study.noise import ray_prints_to
from mi_tune.study.processes import Processes
from mi_tune.study.which_cluster import choose_cluster, place_for_ray

NO_TRIAL_LIMIT = 10**6
"""Ray's limit of concurrent trials where our searcher sets a tighter one. With no limit at all, Ray starts its workers
one after the other."""
ATTEMPTS = 3
"""How often a Ray that did not get going in time is started."""
REFRESH_SECONDS = 5.0
"""The state of the cluster is read again after this time."""


@dataclass
class Capacity:
    """How many trials fit on the cluster now. The number changes as nodes join and leave.

    Args:
        read: returns how many trials fit; called at most every REFRESH_SECONDS.
        limit: the most trials to run at a time, or None.
        clock: monotonic time in seconds.
    """

    read: Callable[[], int]
    limit: int | None
    clock: Callable[[], float] = time.monotonic
    _last_read: tuple[float, int] | None = None

    def __call__(self) -> int:
        """The number of trials, at least 1: a trial that does not fit waits for a node."""
        now = self.clock()
        if self._last_read is None or now - self._last_read[0] >= REFRESH_SECONDS:
            self._last_read = now, self.read()
        fit = self._last_read[1]
        return max(1, fit if self.limit is None else min(fit, self.limit))


@dataclass
class Demand:
    """Tells Ray's autoscaler how many trials could run at once.

    The autoscaler cannot see waiting trials itself, because the searcher suggests a trial only when there is a free
    worker for it.

    Args:
        request: called with the resources of every trial that could run, one mapping per trial; at most every
            REFRESH_SECONDS, but immediately when no trial is left.
        bundle: resources of one trial.
        limit: the most trials to run at a time, or None.
        clock: monotonic time in seconds.
    """

    request: Callable[[list[dict[str, float]]], None]
    bundle: Mapping[str, float]
    limit: int | None
    clock: Callable[[], float] = time.monotonic
    _requested: tuple[float, int] = (-REFRESH_SECONDS, 0)

    def __call__(self, trials: int) -> None:
        """Request resources for `trials`: the running ones and those still to come."""
        count = trials if self.limit is None else min(trials, self.limit)
        then, requested = self._requested
        now = self.clock()
        if count != requested and (count == 0 or now - then >= REFRESH_SECONDS):
            self._requested = now, count
            self.request([dict(self.bundle) for _ in range(count)])


@dataclass(frozen=True)
class Resources:
    """What the cluster offers to a study.

    Args:
        gpus_per_trial: GPUs of one trial, possibly a fraction; 0 without GPUs.
        workers: trials that fit at once when the study begins.
        capacity: trials that fit at once at any later time.
        demand: to be called with the number of trials left, so that a cluster can grow or shrink.
        where: which cluster it is and why, in a sentence.
        private: whether it was started for this study, on this machine.
        watch: notices that it is lost.
    """

    gpus_per_trial: float
    workers: int
    capacity: Capacity = field(compare=False)
    demand: Demand = field(compare=False)
    where: str = ""
    private: bool = True
    watch: Watch | None = field(default=None, compare=False)


def check_cluster(address: str | None) -> None:
    """Raise InputError if there is no cluster at the address; see `connect`."""
    if not ray.is_initialized():
        choose_cluster(address)


@contextmanager
def connect(
    address: str | None, gpus_per_trial: float | None, workers: int | None, log: Path | None = None
) -> Iterator[Resources]:
    """Start Ray on this machine, or join a cluster. A Ray that this process has started already is used and left on.

    No process of a Ray that was started here is left afterwards.

    Args:
        address: of a cluster; "auto" for the one this machine belongs to, "local" for a private one. None: the one
            that RAY_ADDRESS names, else a private one.
        gpus_per_trial: None gives every trial one GPU if there are GPUs.
        workers: the most trials to run at a time; None uses the whole cluster (one CPU per trial), including nodes
            that join later.
        log: file for what Ray prints of its own accord, or None.

    Raises:
        InputError: there is no cluster at the address, or a trial asks for more GPUs than there are.
        LostClusterError: within the context, the cluster was lost.
    """
    if ray.is_initialized():
        where = "Ray cluster: the one of this process"
        with ray_prints_to(log), _watched() as seen, _offered(gpus_per_trial, workers, False, where, seen) as found:
            yield found
        return
    choice = choose_cluster(address)
    logging.getLogger("ray").setLevel(logging.ERROR)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if choice.address is None:
        # private, on the loopback interface; with authentication Ray would write a token to the home folder
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
        # without "local" Ray would join the cluster of any other study on this machine, and end when that one ends
        options |= {"address": "local", "include_dashboard": False} | ({"num_cpus": workers} if workers else {})
        if place := place_for_ray():
            options["_temp_dir"] = place
    else:
        options["address"] = choice.address
    with ray_prints_to(log) as noise:
        processes = Processes()
        watch: Watch | None = None
        try:
            _start(options, processes)
        except Exception as error:  # Ray raises whatever it meets, some of it as a plain Exception
            if choice.address is None:
                raise InputError(
                    f"Ray cannot start on this machine ({one_line(error)}); its own logs are in session_latest/logs in "
                    f"{place_for_ray() or os.environ.get('RAY_TMPDIR') or f'{tempfile.gettempdir()}/ray'}"
                ) from error
            raise InputError(
                f"{choice.named}: no Ray cluster there ({one_line(error)}); "
                "start one with 'ray start --head', or use --address local"
            ) from error
        try:
            joined = choice.address is not None
            with _watched(processes) as watch, _offered(gpus_per_trial, workers, joined, str(choice), watch) as found:
                yield replace(found, private=not joined)
        finally:
            with redirect_stdout(noise), redirect_stderr(noise):  # it prints what it has not printed yet
                _shut_down(processes, watch)


def _start(options: dict[str, Any], processes: Processes) -> None:
    """Start or join Ray; once more where a machine was too busy for the half minute that Ray gives its processes."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with kept_handlers():
                ray.init(**options)
            processes.started()
            return
        except BaseException as error:  # a signal too: what has been started until then must not be left
            processes.started()
            with kept_handlers():
                ray.shutdown()
            processes.end()
            if attempt == ATTEMPTS or "timed out during startup" not in str(error):
                raise


@contextmanager
def _watched(processes: Processes | None = None) -> Iterator[Watch]:
    """Within it, the cluster is watched. Raises LostClusterError if it was lost."""
    context = ray.get_runtime_context()
    parts = parts_of(context.gcs_address, ray.nodes(), context.get_node_id())
    look = processes.look if processes is not None else lambda: None
    look()

    def give_up(error: LostClusterError) -> None:
        if processes is not None:
            processes.end(patience=0)
        if is_command():
            abandon(error)

    with Watch(parts, look, give_up=give_up) as watch:
        try:
            yield watch
        except (KeyboardInterrupt, Exception):
            watch.raise_if_lost()  # whatever came of it
            raise


def _shut_down(processes: Processes, watch: Watch | None) -> None:
    if watch is not None and watch.lost:
        processes.end(patience=0)
        # it waits for what is not there any more, and the user waits for the message
        stopping = threading.Thread(target=ray.shutdown, daemon=True)
        stopping.start()
        stopping.join(timeout=1)
        return
    processes.look()
    with kept_handlers():
        ray.shutdown()
    processes.end()


@contextmanager
def _offered(
    gpus_per_trial: float | None, workers: int | None, autoscaled: bool, where: str, watch: Watch
) -> Iterator[Resources]:
    """What the running Ray offers."""
    demand: Demand | None = None
    try:
        wanted = _gpus_wanted(ray.cluster_resources().get("GPU", 0), gpus_per_trial)
        capacity = Capacity(lambda: fitting(_nodes(), wanted), workers)
        bundle = {"CPU": 1.0} | ({"GPU": wanted} if wanted else {})
        demand = Demand(_request if autoscaled else (lambda bundles: None), bundle, workers)
        yield Resources(wanted, capacity(), capacity, demand, where, private=False, watch=watch)
    finally:
        if demand is not None and not watch.lost:
            demand(0)  # the autoscaler keeps a request until the next one


def _gpus_wanted(gpus: float, gpus_per_trial: float | None) -> float:
    wanted = (1.0 if gpus else 0.0) if gpus_per_trial is None else gpus_per_trial
    if wanted > gpus:
        raise InputError(f"--gpus-per-trial {wanted:g}: only {gpus:g} GPUs are available; ask for fewer")
    return wanted


def _request(bundles: list[dict[str, float]]) -> None:
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=bundles)


def _nodes() -> list[Mapping[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def fitting(nodes: Iterable[Mapping[str, float]], gpus_per_trial: float) -> int:
    """How many trials fit on the nodes, given their `CPU` and `GPU`. A trial takes one CPU and stays on one node."""
    count = 0
    for node in nodes:
        fit, gpus = int(node.get("CPU", 0)), node.get("GPU", 0)
        if gpus_per_trial >= 1:
            fit = min(fit, int(gpus / gpus_per_trial + 1e-9))
        elif gpus_per_trial:
            # a fraction of a GPU cannot be spread over two GPUs
            fit = min(fit, int(gpus) * int(1 / gpus_per_trial + 1e-9))
        count += fit
    return count
