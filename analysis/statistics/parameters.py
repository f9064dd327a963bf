"""The columns of a study that say how a law was trained: those of the erasing law, and whatever else the table has."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.statistics.records import Study
from mi_tune.runtime.mix_text import mix_values
from mi_tune.trial.table import COLUMNS

LABELS = {
    "realised_area": "share of pixels erased",
    "probability": "probability",
    "area_low": "least area",
    "area_high": "largest area",
    "aspect_high": "largest aspect ratio",
    "location": "location",
    "fill": "fill",
    "count": "rectangles",
    "clean_epochs": "clean epochs",
    "defences": "other defences",
}
"""Columns of the treatment, in the order in which they are shown."""
EVERYWHERE = ("realised_area", "probability", "defences")
"""Columns that also mean something for a law that never erases; it has no area, fill or place."""
DEFENCE = "defence"
"""Columns of other defences begin with it."""
MOST_CATEGORIES = 24
"""A column with more different texts is no category."""


@dataclass(frozen=True)
class Parameter:
    """A column in which laws differ. kind: `number` or `category`."""

    name: str
    label: str
    kind: str


def parameters(laws: pd.DataFrame) -> list[Parameter]:
    """The columns in which these laws differ: those of the erasing law first, then any that this version does not know.

    Args:
        laws: rows of `Study.trials`.
    """
    own = set(COLUMNS) | {"runs", "label", "on_front"}
    others = [name for name in laws if name not in own or name.startswith(DEFENCE)]
    found = []
    for name in (*LABELS, *others):
        values = values_of(laws, name).dropna()
        number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        different = values.astype(str).nunique()
        # a number that some laws have and others have not tells laws apart, too
        if different > 1 or (different == 1 and name not in LABELS and len(values) < len(laws)):
            if not number and different > MOST_CATEGORIES:
                continue
            found.append(Parameter(name, LABELS.get(name, _readable(name)), "number" if number else "category"))
    return found


def values_of(laws: pd.DataFrame, name: str) -> pd.Series:
    """The values of a parameter; missing where the law never erases and the column says how."""
    if name in LABELS and name not in EVERYWHERE:
        return laws[name].where(laws.probability > 0)
    values = laws[name]
    if name == "defences":  # which ones; their strengths would make every mix a category of its own
        return values.map(lambda mix: " + ".join(kind for kind, _ in mix_values(mix)) or "none")
    return values.where(values != "") if not pd.api.types.is_numeric_dtype(values) else values


def study_parameters(study: Study) -> list[Parameter]:
    """The parameters in which the measured laws of a study differ."""
    return parameters(study.trials[study.trials.natural_accuracy.notna()])


def _readable(name: str) -> str:
    return name.removeprefix("defence.").replace(".", ": ").replace("_", " ")
