"""Ray, started or joined, without its noise. Import this before anything that imports Ray."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

from mi_tune.errors import InputError  # noqa: E402


@dataclass(frozen=True)
class Resources:
    """What one trial takes, and how many fit at once."""

    gpus_per_trial: float
    workers: int


@contextmanager
def connect(address: str | None, gpus_per_trial: float | None, workers: int | None) -> Iterator[Resources]:
    """Start Ray on this machine, or join the cluster at `address` ("auto" for the one this machine belongs to).

    Args:
        gpus_per_trial: None gives every trial one GPU where there are any.
        workers: trials at a time; None fills what is there (one CPU each).

    Raises:
        InputError: no cluster at the address, or a trial asks for more than there is.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if address is None:
        # a private cluster of this process on the loopback interface; its token would be written to the home folder
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
        options |= {"num_cpus": workers, "include_dashboard": False} if workers else {"include_dashboard": False}
    else:
        options["address"] = address
    try:
        ray.init(**options)
    except (ConnectionError, ValueError) as error:
        raise InputError(
            f"no Ray cluster at address '{address}' ({str(error).splitlines()[0]}); start one with 'ray start --head'"
        ) from error
    try:
        found = ray.cluster_resources()
        yield _share(found.get("CPU", 1), found.get("GPU", 0), gpus_per_trial, workers)
    finally:
        ray.shutdown()


def _share(cpus: float, gpus: float, gpus_per_trial: float | None, workers: int | None) -> Resources:
    wanted = (1.0 if gpus else 0.0) if gpus_per_trial is None else gpus_per_trial
    if wanted > gpus:
        raise InputError(f"--gpus-per-trial {wanted:g}: there are {gpus:g} GPUs; ask for fewer")
    fit = int(cpus)
    if wanted:
        fit = min(fit, int(gpus / wanted + 1e-9) if wanted >= 1 else int(gpus) * int(1 / wanted + 1e-9))
    return Resources(wanted, max(1, min(fit, workers or fit)))
