"""Trials and their curves as CSV files that grow while the study runs, in `trackers/csv/` of its folder."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from mi_tune.runtime.cache import save_atomically
from mi_tune.study.trackers.contract import Ended, Tracker, Value, Watched

VALUES = tuple(f"{name}{end}" for name in ("natural_accuracy", "attack_accuracy") for end in ("", "_low", "_high"))
FOLDER = Path("trackers") / "csv"


class CsvFiles(Tracker):
    """`trials.csv` has a row for each trial that ended, `epochs.csv` one for each report of a trial in training."""

    def begin(self, study: Watched) -> None:
        self.folder = study.folder / FOLDER
        self.folder.mkdir(parents=True, exist_ok=True)
        self.parameters: dict[int, Mapping[str, Value]] = {}

    def started(self, number: int, parameters: Mapping[str, Value]) -> None:
        self.parameters[number] = parameters

    def reported(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        self._add("epochs.csv", {"trial": number, "epoch": epoch, "natural_accuracy": values["natural_accuracy"]})

    def ended(self, trial: Ended) -> None:
        row: dict[str, Value] = {"trial": trial.number, "state": trial.state, **self.parameters.get(trial.number, {})}
        self._add("trials.csv", {**row, **{name: trial.values.get(name, "") for name in VALUES}})
        if trial.picture is not None:
            picture = Image.fromarray(trial.picture)
            save_atomically(self.folder / f"trial-{trial.number:04d}.png", picture.save, owner_only=True)

    def _add(self, name: str, row: Mapping[str, Value]) -> None:
        path = self.folder / name
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)
