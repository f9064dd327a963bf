"""The table of trials with one row per law: averages over a trial and its repeats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.judging.intervals import class_interval, class_mean
from mi_tune.search.state import State

MEAN_COLUMNS = (
    *("natural_accuracy", "attack_accuracy", "attack_accuracy_top5", "start_attack_accuracy"),
    *("identity_error", "start_identity_error", "identification_rate"),
    *("recognised", "recognised_top5", "recognised_accepted"),
    *("target_accuracy_on_reconstructions", "realised_area"),
)
SUM_COLUMNS = ("forward_passes", "backward_passes", "train_seconds", "attack_seconds", "seconds", "replicates")
INTERVAL_OF = {
    "natural_accuracy": class_interval,
    "attack_accuracy": class_interval,
    "start_attack_accuracy": class_interval,
    "identity_error": class_mean,
    "recognised": class_interval,
}
"""Columns with a class-level interval, and the function that computes it. per_class.csv has the same columns."""


def laws_of(runs: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Merge each law's trials into one row, under the number of the law's first trial.

    Accuracies are means over the complete trials, and costs are sums. Intervals are class-level, with each class
    averaged over the trials first. A law whose mean natural accuracy is below the floor is infeasible, whatever the
    state of its single trials.

    Args:
        runs: the table of trials.
        folder: the study's folder, for accuracies per class. If a trial has none there, the ends of the trials'
            intervals are averaged instead, which gives too wide an interval.

    Returns:
        The table with one row per law and the added column `runs`, the number of complete trials.
    """
    complete = runs.state == State.COMPLETE
    first = runs.repeat_of.fillna(runs.trial).astype(int)
    laws = runs[runs.repeat_of.isna()].copy()
    laws["runs"] = first[complete].value_counts().reindex(laws.trial).fillna(0).astype(int).to_numpy()
    for number in laws.trial[laws.runs > 1]:
        index = laws.index[laws.trial == number][0]
        mine = runs[complete & (first == number)]
        for name in MEAN_COLUMNS:
            laws.loc[index, name] = mine[name].mean()
        for name in SUM_COLUMNS:
            laws.loc[index, name] = mine[name].sum()
        tables = [per_class(folder, artefacts) for artefacts in mine.artefacts]
        for name, interval in INTERVAL_OF.items():
            classes = [t[name].to_numpy(float) for t in tables if t is not None and name in t]
            if len(classes) == len(mine):
                mean = np.mean(classes, axis=0)
                _, low, high = interval(mean[np.isfinite(mean)])  # without those who were not attacked
            else:
                low, high = mine[f"{name}_low"].mean(), mine[f"{name}_high"].mean()
            laws.loc[index, [f"{name}_low", f"{name}_high"]] = low, high
        row = laws.loc[index]
        if row.reference not in REFERENCE_LAWS and row.natural_accuracy < row.floor:
            laws.loc[index, "state"] = State.INFEASIBLE
            laws.loc[index, "reason"] = f"mean natural accuracy of {row.runs} runs below the floor {row.floor:.3f}"
    return laws


def per_class(folder: Path, artefacts: str) -> pd.DataFrame | None:
    """Accuracies of every class from a trial's folder of artefacts; None if the trial wrote none."""
    return classes_in(folder / artefacts / "per_class.csv") if artefacts else None


def classes_in(path: Path) -> pd.DataFrame | None:
    """A trial's table of its classes; None if there is no such file. Names are text, also `007` and `NA`."""
    if not path.exists():
        return None
    # only numbers can be missing, and they are written as nothing
    missing = {column: [""] for column in pd.read_csv(path, nrows=0).columns if column != "class_name"}
    return pd.read_csv(path, dtype={"class_name": str}, keep_default_na=False, na_values=missing)
