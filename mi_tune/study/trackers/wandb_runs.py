"""Weights & Biases: one project a study, one run a trial. WANDB_MODE, WANDB_PROJECT and the like are honoured."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import wandb

from mi_tune.study.trackers.contract import Ended, Tracker, Value, Watched


class WandbRuns(Tracker):
    """Parameters and the study's settings as config, curves over `epoch`, results in the summary."""

    def begin(self, study: Watched) -> None:
        self.study = study
        self.runs: dict[int, Any] = {}
        (study.folder / "trackers").mkdir(parents=True, exist_ok=True)

    def started(self, number: int, parameters: Mapping[str, Value]) -> None:
        if number in self.runs:
            return
        self.runs[number] = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "mi_tune"),
            group=self.study.name,
            name=f"{self.study.name} {number}",
            dir=str(self.study.folder / "trackers"),
            config={"trial": number, **parameters, "setup": dict(self.study.settings)},
            reinit="create_new",  # several trials run at a time
            settings=wandb.Settings(silent=True, console="off"),
        )
        self.runs[number].define_metric("train/*", step_metric="epoch")

    def reported(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        self.runs[number].log({"epoch": epoch, **{f"train/{name}": value for name, value in values.items()}})

    def ended(self, trial: Ended) -> None:
        run = self.runs.pop(trial.number)
        for epoch, loss, _ in trial.curve:
            run.log({"epoch": epoch, "train/train_loss": loss})
        run.summary.update({**trial.values, "state": trial.state, "reason": trial.reason})
        if trial.picture is not None:
            run.log({"reconstructions": wandb.Image(trial.picture)})
        run.finish(exit_code=0 if trial.state != "failed" else 1)

    def close(self) -> None:
        for run in self.runs.values():
            run.finish(exit_code=1)
