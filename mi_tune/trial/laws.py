"""The table of trials as one row a law: what several runs of the same law say together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mi_tune.judging.intervals import class_interval, class_mean

MEANS = (
    *("natural_accuracy", "attack_accuracy", "attack_accuracy_top5", "start_attack_accuracy"),
    *("identity_error", "start_identity_error", "identification_rate"),
    *("target_accuracy_on_reconstructions", "realised_area"),
)
SUMS = ("forward_passes", "backward_passes", "train_seconds", "attack_seconds", "seconds", "replicates")
INTERVALS = {
    "natural_accuracy": class_interval,
    "attack_accuracy": class_interval,
    "start_attack_accuracy": class_interval,
    "identity_error": class_mean,
}
"""Columns with an interval over classes, also in per_class.csv."""


def laws_of(runs: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """One row a law, under the number of the trial that was first to run it, with `runs`, how many were complete.

    Accuracies are means over the complete runs, intervals those of classes averaged over them, costs sums. A law whose
    mean natural accuracy is below the floor is infeasible, whatever a single run said.

    Args:
        runs: the table of trials. folder: the study's, for accuracies per class; without them the ends of intervals
            are averaged, which is too wide.
    """
    complete = runs.state == "complete"
    first = runs.repeat_of.fillna(runs.trial).astype(int)
    laws = runs[runs.repeat_of.isna()].copy()
    laws["runs"] = first[complete].value_counts().reindex(laws.trial).fillna(0).astype(int).to_numpy()
    for number in laws.trial[laws.runs > 1]:
        place = laws.index[laws.trial == number][0]
        mine = runs[complete & (first == number)]
        for name in MEANS:
            laws.loc[place, name] = mine[name].mean()
        for name in SUMS:
            laws.loc[place, name] = mine[name].sum()
        tables = [per_class(folder, artefacts) for artefacts in mine.artefacts]
        for name, interval in INTERVALS.items():
            classes = [t[name].to_numpy(float) for t in tables if t is not None and name in t]
            if len(classes) == len(mine):
                _, low, high = interval(np.mean(classes, axis=0))
            else:
                low, high = mine[f"{name}_low"].mean(), mine[f"{name}_high"].mean()
            laws.loc[place, [f"{name}_low", f"{name}_high"]] = low, high
        row = laws.loc[place]
        if not row.reference and row.natural_accuracy < row.floor:
            laws.loc[place, "state"] = "infeasible"
            laws.loc[place, "reason"] = f"mean natural accuracy of {row.runs} runs below the floor {row.floor:.3f}"
    return laws


def per_class(folder: Path, artefacts: str) -> pd.DataFrame | None:
    """Accuracies of every class that a trial left in its folder of artefacts; None where it left none."""
    path = folder / artefacts / "per_class.csv"
    return pd.read_csv(path) if artefacts and path.exists() else None
