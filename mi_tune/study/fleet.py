"""A list of jobs as Ray trials: in parallel, each on its own core or GPU, lost workers replaced."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mi_tune.study.cluster import Resources  # before anything that imports Ray  # isort: skip

from ray import tune
from ray.tune.result import DONE

from mi_tune.runtime.device import pick_device, use_one_thread

Work = Callable[[Any, Any], dict]
"""(what `prepare` returned in this process, job) -> a flat result"""


class JobTrial(tune.Trainable):
    """One job. What goes wrong inside is the job's own result (`reason`); the loss of a worker is tried again."""

    def setup(self, config: dict, prepare: Callable[[Any], Any], work: Work, jobs: Sequence[Any]) -> None:
        use_one_thread()
        self.work, self.jobs, self.number = work, jobs, config["job"]
        self.own = prepare(pick_device())

    def reset_config(self, new_config: dict) -> bool:
        self.number = new_config["job"]
        return True

    def step(self) -> dict:
        try:
            return {"reason": "", **self.work(self.own, self.jobs[self.number]), DONE: True}
        except Exception as error:
            # one broken job must not cost the others' hours
            where = traceback.extract_tb(error.__traceback__)[-1]
            message = " ".join(str(error).split()) or type(error).__name__
            return {
                "reason": f"{message} ({type(error).__name__}, {Path(where.filename).name}:{where.lineno})",
                DONE: True,
            }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """A job has nothing to save: what it makes is stored when it is whole."""

    def load_checkpoint(self, checkpoint: str) -> None:
        pass


class _Told(tune.Callback):
    def __init__(self, jobs: Sequence[Any], done: Callable[[Any, dict], None]) -> None:
        self.jobs, self.done = jobs, done

    def __getstate__(self) -> dict:
        return {}  # Ray pickles its callbacks; this one is never restored

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **info: Any) -> None:
        self.done(self.jobs[trial.config["job"]], result)

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self.done(self.jobs[trial.config["job"]], {"reason": "its worker was lost again and again"})


def run_jobs(
    jobs: Sequence[Any],
    prepare: Callable[[Any], Any],
    work: Work,
    resources: Resources,
    storage: Path,
    done: Callable[[Any, dict], None],
) -> None:
    """Do every job, in their order as workers become free.

    Args:
        prepare: called once in each worker process with its device; what it returns is given to every `work`.
        storage: folder of Ray's own files. done: called in this process after each job, with its result.
    """
    if not jobs:
        return
    trainable = tune.with_resources(
        tune.with_parameters(JobTrial, prepare=prepare, work=work, jobs=list(jobs)),
        {"cpu": 1, "gpu": resources.gpus_per_trial},
    )
    run_name = f"run-{len(list(storage.glob('run-*'))):03d}"
    tune.Tuner(
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
            callbacks=[_Told(jobs, done)],
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=2),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    ).fit()
