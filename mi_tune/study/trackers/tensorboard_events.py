"""TensorBoard: one run a trial, in `trackers/tensorboard/` of the study's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter

from mi_tune.study.trackers.contract import Ended, Tracker, Value, Watched

FOLDER = Path("trackers") / "tensorboard"


class TensorboardEvents(Tracker):
    """Curves under `train/`, results under `trial/`, parameters as hyperparameters."""

    def begin(self, study: Watched) -> None:
        self.folder = study.folder / FOLDER
        self.writers: dict[int, SummaryWriter] = {}
        self.parameters: dict[int, Mapping[str, Value]] = {}

    def started(self, number: int, parameters: Mapping[str, Value]) -> None:
        self.parameters[number] = parameters
        self._writer(number)

    def _writer(self, number: int) -> SummaryWriter:
        if number not in self.writers:
            self.writers[number] = SummaryWriter(str(self.folder / f"{number:04d}"))
        return self.writers[number]

    def reported(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer(number).add_scalar(f"train/{name}", value, epoch)

    def ended(self, trial: Ended) -> None:
        writer = self._writer(trial.number)
        for epoch, loss, _ in trial.curve:
            writer.add_scalar("train/train_loss", loss, epoch)
        for name, value in trial.values.items():
            writer.add_scalar(f"trial/{name}", value, 0)
        main = {f"trial/{name}": trial.values[name] for name in _MAIN if name in trial.values}
        writer.add_hparams(dict(self.parameters.get(trial.number, {})), main, name=".")
        writer.add_text("state", f"{trial.state} {trial.reason}".strip())
        if trial.picture is not None:
            writer.add_image("reconstructions", trial.picture, dataformats="HWC")
        writer.close()
        del self.writers[trial.number]

    def close(self) -> None:
        for writer in self.writers.values():
            writer.close()


_MAIN = ("natural_accuracy", "attack_accuracy")
