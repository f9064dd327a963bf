"""The table of what each switch of a study over mixes changes along the front, for the report."""

from __future__ import annotations

from typing import Any

from analysis.statistics.importance import label_of
from analysis.statistics.records import Study
from analysis.statistics.switches import SwitchEffect, study_switches
from mi_tune.judging.intervals import Estimate


def switch_table(study: Study) -> dict[str, Any] | None:
    """Texts of the table; None if the study has no switches, or too few trials.

    `levels`: natural accuracies in percent. `rows`: of each switch its `title`, how many trials had it `on` and `off`,
    `why` nothing is said of it, or ""; and `cells`, one for each level, with `text` in points and whether it is `told`,
    that is, its interval leaves out 0.
    """
    found = study_switches(study)
    if found is None:
        return None
    return {
        "levels": [f"{level:.0%}" for level in found.levels],
        "rows": [
            {
                "title": label_of(effect.name),
                "on": effect.on,
                "off": effect.off,
                "why": effect.why,
                "cells": _cells(effect),
            }
            for effect in found.effects
        ],
    }


def _cells(effect: SwitchEffect) -> list[dict[str, Any]]:
    return [{"text": _text(change), "told": effect.told(level)} for level, change in enumerate(effect.changes)]


def _text(change: Estimate | None) -> str:
    if change is None:
        return "not reached"
    value, low, high = (round(100 * part) for part in change)
    return f"{value:+d} [{low:+d}, {high:+d}]"
