"""What the page knows of each law: its numbers, its code, its erase map, its curve and its results per person."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.statistics.control_line import ControlLine, gain_of
from analysis.statistics.parameters import Parameter, values_of
from analysis.statistics.records import Study
from mi_tune.defences.columns import described
from mi_tune.defences.export import treatment_snippet
from mi_tune.erasing.export import torchvision_obstacles

NUMBERS = (
    *("natural_accuracy", "natural_accuracy_low", "natural_accuracy_high"),
    *("attack_accuracy", "attack_accuracy_low", "attack_accuracy_high"),
    *("recognised", "recognised_low", "recognised_high"),
    *("start_attack_accuracy", "target_accuracy_on_reconstructions", "realised_area", "seconds"),
)
"""Columns of the table of trials that the page shows; it hands them on under the same names."""
MOST_LAWS_IN_DETAIL = 300
"""Studies with more laws have smaller erase maps, so that the page stays small."""
MAP_SIDE, SMALL_MAP_SIDE = 32, 12


class Code:
    """Lines of code, each kept once, because the codes of many laws differ in one line."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}

    def numbers(self, text: str) -> list[int]:
        """The numbers of the lines of a text."""
        return [self.lines.setdefault(line, len(self.lines)) for line in text.splitlines()]


def laws_data(study: Study, shown: Sequence[Parameter], line: ControlLine | None = None) -> dict[str, Any]:
    """The entries `trials` (by number), `parameters` and `lines` (of code) of the page's data.

    Names of people are left out: a person is a number, the same for all laws. line: the study's undefended controls.
    """
    code = Code()
    values = {one.name: values_of(study.trials, one.name) for one in shown}
    side = MAP_SIDE if len(study.trials) <= MOST_LAWS_IN_DETAIL else SMALL_MAP_SIDE
    trials = {}
    for number, row in study.trials.iterrows():
        about = _law(study, row, code) | _over_controls(study, row, line)
        about["parameters"] = {name: _plain(column[number]) for name, column in values.items()}
        about |= _details(study, int(row.trial), side)
        trials[str(row.trial)] = about
    return {
        "trials": trials,
        "parameters": [vars(one) for one in shown],
        "lines": list(code.lines),
    }


def _law(study: Study, row: pd.Series, code: Code) -> dict[str, Any]:
    law, data = study.law(int(row.trial)), study.config["data"]
    side, channels = data["resolution"], data["channels"]
    return {
        "trial": int(row.trial),
        "state": str(row.state),
        "reference": str(row.reference),
        "law": described(row),
        "front": row.trial in study.front.index,
        "reason": str(row.reason),
        "runs": int(row.runs),
        "code": code.numbers(treatment_snippet(study.treatment(int(row.trial)), side, channels)),
        "obstacles": torchvision_obstacles(law, side, side) if law.probability else [],
        **{name: _plain(row[name]) for name in NUMBERS},
    }


def _over_controls(study: Study, row: pd.Series, line: ControlLine | None) -> dict[str, Any]:
    """Attack accuracy of a law minus that of the lowest control that is at least as accurate, with its interval."""
    defended = row.trial in study.defended.index
    gain = gain_of(study, line, int(row.trial)) if line is not None and defended else None
    ends = (None, None, None) if gain is None else (-gain.points.value, -gain.points.high, -gain.points.low)
    return {f"over_controls{end}": _plain(value) for end, value in zip(("", "_low", "_high"), ends, strict=True)}


def _details(study: Study, trial: int, side: int) -> dict[str, Any]:
    """What is shown where a law is opened; each part is left out where its file is missing."""
    found: dict[str, Any] = {}
    history = study.history(trial)
    if history and history.get("epochs"):
        accuracy = np.mean(history["natural_accuracy"], axis=0)
        found["curve"] = [history["epochs"], [round(float(value), 3) for value in accuracy]]
    if history and study.trials.loc[trial, "probability"] > 0 and len(history.get("erase_map", [])):
        found["map"] = packed_map(np.array(history["erase_map"]), side)
    people = study.per_class(trial)
    if people is not None:
        columns = ("natural_accuracy", "attack_accuracy", "recognised")
        found["people"] = {
            name: [None if np.isnan(value) else round(100 * value) for value in people[name].to_numpy(float)]
            for name in columns
            if name in people and people[name].notna().any()
        }
    return found


def packed_map(share: np.ndarray, most: int) -> dict[str, Any]:
    """An erase map as bytes in base64, 255 where always erased; shrunk to at most `most` pixels a side.

    Args:
        share: of the views in which each pixel was erased, (height, width) in [0, 1].
    """
    step = -(-max(share.shape) // most)
    height, width = (length // step * step for length in share.shape)
    small = share[:height, :width].reshape(height // step, step, width // step, step).mean((1, 3))
    pixels = np.round(255 * small).astype(np.uint8)
    text = base64.b64encode(pixels.tobytes()).decode()
    return {"height": small.shape[0], "width": small.shape[1], "mean": round(float(share.mean()), 4), "pixels": text}


def _plain(value: Any) -> float | str | None:
    """A value of the table for the page; numbers with five significant digits."""
    if value is None or pd.isna(value):
        return None
    return float(f"{float(value):.5g}") if isinstance(value, (int, float, np.number)) else str(value)
