"""The table of trials: its columns, and how records of trials become its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from mi_tune.defences.columns import treatment_columns

COLUMNS = [
    *("trial", "state", "reference"),
    *("probability", "area_low", "area_high", "aspect_low", "aspect_high"),
    *("location", "fill", "count", "clean_epochs", "defences"),
    *("natural_accuracy", "natural_accuracy_low", "natural_accuracy_high"),
    *("attack_accuracy", "attack_accuracy_low", "attack_accuracy_high", "attack_accuracy_top5"),
    "people_attacked",
    *("start_attack_accuracy", "start_attack_accuracy_low", "start_attack_accuracy_high"),
    *("identity_error", "identity_error_low", "identity_error_high"),
    *("start_identity_error", "identification_rate"),
    *("recognised", "recognised_low", "recognised_high", "recognised_top5", "recognised_accepted"),
    *("target_accuracy_on_reconstructions", "floor", "realised_area"),
    *("attack", "budget", "attacks", "judge", "judge_accuracy", "recogniser", "recogniser_accuracy"),
    *("forward_passes", "backward_passes"),
    *("train_seconds", "attack_seconds", "seconds", "peak_memory_mb"),
    *("seed", "replicates", "repeat_of", "started", "finished", "artefacts", "reason"),
]
"""The columns in order. docs/study_folder.md explains each."""

ADDED_COLUMNS = (
    *("identity_error", "identity_error_low", "identity_error_high", "start_identity_error", "identification_rate"),
    *("recognised", "recognised_low", "recognised_high", "recognised_top5", "recognised_accepted"),
    *("recogniser_accuracy", "repeat_of", "people_attacked", "attacks"),
)
"""Columns that tables of the first versions lack, because those versions did not measure or do what they record."""

_TEXT_COLUMNS = {"state", "reference", "location", "fill", "defences", "attack", "budget", "judge", "recogniser"}
_TEXT_COLUMNS |= {"attacks", "started", "finished", "artefacts", "reason"}
_INTEGER_COLUMNS = {"trial", "count", "clean_epochs"}


def table_of(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Make the table from records, each with `trial`, `law` (as `ErasingLaw.to_dict`) and any of the other columns."""
    return frame_of({**record, **treatment_columns(record["law"], record.get("defences", ""))} for record in records)


def frame_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Make the table from records that already have the columns of their laws."""
    frame = pd.DataFrame(sorted(rows, key=lambda row: row["trial"]), columns=COLUMNS)
    for column in COLUMNS:
        if column in _TEXT_COLUMNS:
            frame[column] = frame[column].astype("string").fillna("")
        elif column in _INTEGER_COLUMNS:
            frame[column] = frame[column].astype("int64")
        else:
            frame[column] = pd.to_numeric(frame[column])
    return frame


def with_added_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Add the columns that a table of an earlier version lacks, with every value missing."""
    added = table.assign(**{name: float("nan") for name in ADDED_COLUMNS if name not in table})
    missing = [name for name in ("recogniser", "defences") if name not in added]
    return added.assign(**{name: pd.array([""] * len(added), dtype="string") for name in missing})


def spreadsheet_safe(names: Iterable[str]) -> list[str]:
    """Names for a CSV file, with an apostrophe before those that a spreadsheet would take for formulas."""
    return [f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name for name in names]
