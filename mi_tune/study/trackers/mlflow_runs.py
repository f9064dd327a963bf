"""MLflow: one experiment a study, one run a trial.

The runs go where MLFLOW_TRACKING_URI says; without it, to `trackers/mlflow/` of the study's folder.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlflow.tracking import MlflowClient
from PIL import Image

from mi_tune.study.trackers.contract import Ended, Tracker, Value, Watched

FOLDER = Path("trackers") / "mlflow"
STATUS = {"complete": "FINISHED", "infeasible": "FINISHED", "stopped": "KILLED"}


class MlflowRuns(Tracker):
    """Parameters of the law, settings of the study as tags, curves with the epoch as step."""

    def begin(self, study: Watched) -> None:
        place = os.environ.get("MLFLOW_TRACKING_URI")
        if not place:
            # a folder needs no data base, which the small package lacks; newer versions ask for this word
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            folder = study.folder / FOLDER
            folder.mkdir(parents=True, exist_ok=True)
            place = folder.as_uri()
        self.client = MlflowClient(tracking_uri=place)
        known = self.client.get_experiment_by_name(study.name)
        self.experiment = known.experiment_id if known else self.client.create_experiment(study.name)
        self.tags = {f"setup.{key}": str(value) for key, value in study.settings.items()}
        self.runs: dict[int, str] = {}

    def started(self, number: int, parameters: Mapping[str, Value]) -> None:
        if number in self.runs:
            return
        run = self.client.create_run(self.experiment, run_name=f"trial {number}", tags=self.tags)
        self.runs[number] = run.info.run_id
        for name, value in {"trial": number, **parameters}.items():
            self.client.log_param(self.runs[number], name, value)

    def reported(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.client.log_metric(self.runs[number], f"train.{name}", value, step=epoch)

    def ended(self, trial: Ended) -> None:
        run = self.runs.pop(trial.number)
        for epoch, loss, _ in trial.curve:
            self.client.log_metric(run, "train.train_loss", loss, step=epoch)
        for name, value in trial.values.items():
            self.client.log_metric(run, name, value)
        self.client.set_tag(run, "state", trial.state)
        if trial.reason:
            self.client.set_tag(run, "reason", trial.reason)
        if trial.picture is not None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "reconstructions.png"
                Image.fromarray(trial.picture).save(path)
                self.client.log_artifact(run, str(path))
        self.client.set_terminated(run, STATUS.get(trial.state, "FAILED"))

    def close(self) -> None:
        for run in self.runs.values():
            self.client.set_terminated(run, "KILLED")
