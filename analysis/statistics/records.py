"""Reads a study folder. It never trains; docs/study_folder.md specifies the files."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from mi_tune.defences.columns import treatment_of
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import ErasingLaw
from mi_tune.erasing.columns import law_of
from mi_tune.runtime.errors import InputError
from mi_tune.search.expectation import expected
from mi_tune.search.front import front_mask
from mi_tune.search.state import State
from mi_tune.setup import Space
from mi_tune.trial.laws import laws_of, per_class
from mi_tune.trial.point import UNDEFENDED
from mi_tune.trial.table import COLUMNS, with_added_columns


@dataclass(frozen=True)
class Faces:
    """Reconstructions of one trial.

    images: uint8 (classes, kept, channels, height, width), the best first. judge_top1: the class that the judge
    assigns to each, int (classes, kept).
    """

    images: np.ndarray
    judge_top1: np.ndarray

    @property
    def identified(self) -> np.ndarray:
        """Whether the judge assigns each reconstruction to the attacked class, bool (classes, kept)."""
        return self.judge_top1 == np.arange(len(self.judge_top1))[:, None]


@dataclass(frozen=True)
class Study:
    """A study, read from its folder.

    Args:
        config: study.yaml. runs: the table of trials, indexed by number. trials: one row per law, which combines the
            repeats of the law under the number of its first trial; see `laws_of`.
    """

    folder: Path
    config: dict[str, Any]
    runs: pd.DataFrame
    trials: pd.DataFrame

    @cached_property
    def complete(self) -> pd.DataFrame:
        """The laws above the floor of which both objectives were measured."""
        return self.trials[self.trials.state == State.COMPLETE]

    @cached_property
    def front(self) -> pd.DataFrame:
        """The complete laws that no other law dominates, by decreasing natural accuracy."""
        complete = self.complete
        mask = front_mask(complete.natural_accuracy.to_numpy(float), complete.attack_accuracy.to_numpy(float))
        order = ["natural_accuracy", "attack_accuracy", "trial"]
        return complete[mask].sort_values(order, ascending=[False, True, True])

    @cached_property
    def expected(self) -> pd.DataFrame:
        """What the search's model expects of the complete laws; see `mi_tune.search.expectation.expected`."""
        space = self.config.get("config", {}).get("search", {}).get("space")
        return expected(self.runs, self.complete, Space() if space is None else Space.model_validate(space))

    @property
    def references(self) -> pd.DataFrame:
        """The reference points that were attacked."""
        return self.complete[self.complete.reference != ""]

    @property
    def undefended(self) -> pd.Series | None:
        """The trial without defence, if it is complete."""
        found = self.complete[self.complete.reference == UNDEFENDED]
        return found.iloc[0] if len(found) else None

    def law(self, trial: int) -> ErasingLaw:
        """The erasing law of a trial, with its `mean` fill replaced by the mean colour of the data."""
        return law_of(self.trials.loc[trial]).resolved(tuple(self.config["data"]["mean"]))

    def treatment(self, trial: int) -> Treatment:
        """The erasing law of a trial, as `law` gives it, with its other defences."""
        return treatment_of(self.trials.loc[trial]).resolved(tuple(self.config["data"]["mean"]))

    @property
    def defended(self) -> pd.DataFrame:
        """The complete laws that erase or have another defence."""
        return self.complete[(self.complete.probability > 0) | (self.complete.defences != "")]

    @cached_property
    def differences(self) -> dict[tuple[int, int, str], Any]:
        """What `analysis.statistics.recommendation.difference` has computed already."""
        return {}

    # ---------------------------------------------------------------------------------------------- artefacts

    def _artefact(self, trial: int, name: str) -> Path | None:
        place = self.trials.loc[trial, "artefacts"]
        path = self.folder / place / name
        return path if place and path.exists() else None

    def history(self, trial: int) -> dict[str, Any] | None:
        """Accuracy over epochs and the erase map; None if the trial has no readable history.json."""
        path = self._artefact(trial, "history.json")
        try:
            return json.loads(path.read_text()) if path else None
        except ValueError:
            return None

    def per_class(self, trial: int) -> pd.DataFrame | None:
        """Accuracies of a law per class, as means over its complete runs; None if one of them has no such file."""
        if trial not in self._classes:
            self._classes[trial] = self._read_classes(trial)
        return self._classes[trial]

    @cached_property
    def _classes(self) -> dict[int, pd.DataFrame | None]:
        return {}  # a report asks for the same law dozens of times

    def _read_classes(self, trial: int) -> pd.DataFrame | None:
        runs = self.runs[(self.runs.trial == trial) | (self.runs.repeat_of == trial)]
        if len(runs) > 1:
            runs = runs[runs.state == State.COMPLETE]
        tables = [per_class(self.folder, artefacts) for artefacts in runs.artefacts]
        if not tables or any(table is None for table in tables):
            return None
        whole = pd.concat(tables, keys=range(len(tables)))
        return whole.groupby("class_name", sort=False).mean().reset_index()

    def faces(self, trial: int) -> Faces | None:
        """The reconstructions of a trial; None if there is no readable file."""
        path = self._artefact(trial, "reconstructions.npz")
        arrays = arrays_in(path) if path else None
        return Faces(arrays["images"], arrays["judge_top1"]) if arrays else None

    def examples(self) -> np.ndarray | None:
        """One real image of each private class, uint8 (classes, channels, height, width); None if not stored."""
        arrays = arrays_in(self.folder / "examples.npz")
        return arrays["images"] if arrays else None


def arrays_in(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of an npz file; None if it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile):
        return None


def load_study(folder: Path | str) -> Study:
    """Read the study in `folder`.

    Raises:
        InputError: the folder is not a study, or its files cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of a study, such as results/orl")
    try:
        config = yaml.safe_load((folder / "study.yaml").read_text())
        if not isinstance(config, dict) or "data" not in config:
            raise ValueError("study.yaml does not describe a study")
        trials = pd.read_parquet(folder / "trials.parquet")
    except FileNotFoundError as error:
        name = Path(error.filename).name if error.filename else "trials.parquet"
        raise InputError(f"{folder}: no {name}; give the folder of a study, such as results/orl") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{folder}: cannot be read ({' '.join(str(error).split())})") from error
    trials = with_added_columns(trials)
    missing = [name for name in COLUMNS if name not in trials]
    if missing:
        raise InputError(f"{folder}: trials.parquet lacks column {missing[0]}; it was written by another version")
    runs = trials.set_index("trial", drop=False).rename_axis(None)
    return Study(folder, config, runs, laws_of(runs, folder))
