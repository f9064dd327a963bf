"""Run a list of jobs in parallel as Ray trials, each on its own core or GPU. Lost workers are replaced."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from ray import tune
from ray.tune.result import DONE

from mi_tune.runtime.device import pick_device, use_one_thread
from mi_tune.runtime.signals import ending
from mi_tune.study.cluster import Resources
from mi_tune.study.losses import error_of, why_lost
from mi_tune.study.order import RAY_LEAVES_TO_US, EndInOrder
from mi_tune.study.silence import Silence

Work = Callable[[Any, Any], dict]
"""Does one job: takes what `prepare` returned in this process, and the job; returns a flat dict."""


class JobTrial(tune.Trainable):
    """One job as a Ray trial.

    An exception inside a job becomes its result (`reason`); a job whose worker is lost is run again.
    """

    def setup(
        self,
        config: dict,
        prepare: Callable[[torch.device], Any] | None = None,
        work: Work | None = None,
        jobs: Sequence[Any] = (),
    ) -> None:
        use_one_thread()
        assert prepare is not None
        assert work is not None
        self.work, self.jobs, self.number = work, jobs, config["job"]
        self.prepared = prepare(pick_device())

    def reset_config(self, new_config: dict) -> bool:
        self.number = new_config["job"]
        return True

    def step(self) -> dict:
        try:
            return {"reason": "", **self.work(self.prepared, self.jobs[self.number]), DONE: True}
        except Exception as error:
            # one broken job must not end the hours of work of the others
            where = traceback.extract_tb(error.__traceback__)[-1]
            message = " ".join(str(error).split()) or type(error).__name__
            return {
                "reason": f"{message} ({type(error).__name__}, {Path(where.filename).name}:{where.lineno})",
                DONE: True,
            }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to save: a job stores its results itself, once they are complete."""

    def load_checkpoint(self, checkpoint: dict | str | None) -> None:
        pass


class _ReportResults(tune.Callback):
    def __init__(self, jobs: Sequence[Any], done: Callable[[Any, dict], None]) -> None:
        self.jobs, self.done = jobs, done

    def __getstate__(self) -> dict:
        return {}  # Ray pickles callbacks, but this one is never restored

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **info: Any) -> None:
        self.done(self.jobs[trial.config["job"]], result)

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        reason = f"its worker was lost three times{why_lost(error_of(trial))}"
        self.done(self.jobs[trial.config["job"]], {"reason": reason})


def run_jobs(
    jobs: Sequence[Any],
    prepare: Callable[[torch.device], Any],
    work: Work,
    resources: Resources,
    storage: Path,
    done: Callable[[Any, dict], None],
) -> None:
    """Run every job, in the given order, as workers become free.

    Args:
        prepare: called once in each worker process with its device; its return value is passed to every `work`.
        work: does one job and returns its result.
        storage: folder for Ray's own files.
        done: called in this process after each job, with the job and its result; `reason` is "" if it succeeded.

    Raises:
        Ended: a signal asked for the end. Jobs that had not ended are begun again by the next run.
        LostClusterError: the cluster was lost.
    """
    if not jobs:
        return
    for name in RAY_LEAVES_TO_US:
        os.environ[name] = "1"
    trainable = tune.with_resources(
        tune.with_parameters(JobTrial, prepare=prepare, work=work, jobs=list(jobs)),
        {"cpu": 1, "gpu": resources.gpus_per_trial},
    )
    with ending() as asked, asked.deferred():
        _tuner(
            jobs, trainable, resources, storage, [EndInOrder(asked, resources.watch), _ReportResults(jobs, done)]
        ).fit()
        asked.raise_if_asked()


def _tuner(
    jobs: Sequence[Any], trainable: Any, resources: Resources, storage: Path, callbacks: list[tune.Callback]
) -> tune.Tuner:
    run_name = f"run-{len(list(storage.glob('run-*'))):03d}"
    return tune.Tuner(
        trainable,
        param_space={"job": tune.grid_search(list(range(len(jobs))))},
        tune_config=tune.TuneConfig(
            max_concurrent_trials=resources.workers,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: f"{trial.config['job']:05d}",
        ),
        run_config=tune.RunConfig(
            name=run_name,
            storage_path=str(storage),
            callbacks=callbacks,
            verbose=0,
            progress_reporter=Silence(),
            failure_config=tune.FailureConfig(max_failures=2),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
