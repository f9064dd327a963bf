"""The page of several studies side by side: may they be compared, their fronts, what they found by which cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import figures
from analysis.pages.template import render_page
from analysis.statistics.comparability import ATTACK, NATURAL, RECOGNISED, comparability
from analysis.statistics.recommendation import recommend
from analysis.statistics.records import Study
from mi_tune.defences.columns import described
from mi_tune.erasing.export import law_snippet
from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.errors import InputError

LOSSES = (0.02, 0.05, 0.1)
"""Allowed losses of natural accuracy for which the recommended laws stand side by side."""


def write_comparison(
    path: Path, studies: Mapping[str, Study], found: Mapping[str, pd.DataFrame], meanings: Mapping[str, str]
) -> str:
    """Write the page; returns the sentence on what may be compared.

    Args:
        studies: by label. found: tables of `found_over_time`, by label. meanings: the columns of these tables to draw,
            with a title for each.

    Raises:
        InputError: the page cannot be written.
    """
    told = comparability(list(studies.values()))
    drawn = {"fronts": figures.plot_fronts(studies)}
    drawn |= {f"found-{column}": figures.plot_found(found, column, "hypervolume", "cost") for column in meanings}
    page = render_page(
        "compare.html.j2",
        drawn,
        {"name": "studies"},
        styles=("confirm.css",),
        names=list(studies),
        sentence=told.sentence(),
        sound=not told.reasons(ATTACK),
        conditions=told.conditions,
        reasons={number: told.reasons(number) for number in (NATURAL, ATTACK, RECOGNISED)},
        setups=told.setups,
        meanings=meanings,
        ends={name: {column: table[column].iloc[-1] for column in meanings} for name, table in found.items()},
        sizes=_sizes(studies, found),
        recommended=[(loss, [_recommended(study, loss) for study in studies.values()]) for loss in LOSSES],
        fronts_text=_fronts_text(studies),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_atomically(path, lambda p: p.write_text(page, encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--page {path}: cannot write the page ({error.strerror})") from error
    return told.sentence()


def _sizes(studies: Mapping[str, Study], found: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """How large each study is: laws, its front, and what it took."""
    return [
        {
            "name": name,
            "laws": len(study.complete),
            "front": len(study.front),
            "worker": f"{found[name].cost.iloc[-1] / 60:.1f}",
            "wall": f"{found[name].minutes.iloc[-1]:.1f}",
        }
        for name, study in studies.items()
    ]


def _recommended(study: Study, loss: float) -> dict[str, Any] | None:
    """The recommended law of a study as shown on the page; None if there is none."""
    one = recommend(study, loss)
    if one is None:
        return None
    row, data = study.trials.loc[one.trial], study.config["data"]
    side, channels = data["resolution"], data["channels"]
    return {
        "name": row.reference or f"law {one.trial}",
        "law": described(row),
        "natural": _interval(row, "natural_accuracy"),
        "attack": _interval(row, "attack_accuracy"),
        "recognised": _interval(row, "recognised"),
        "helps": one.helps,
        "code": law_snippet(study.law(one.trial), side, side, channels),
    }


def _interval(row: pd.Series, name: str) -> str:
    if pd.isna(row[name]):
        return ""
    value, low, high = (100 * float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return f"{value:.1f}% [{low:.0f}, {high:.0f}]"


def _fronts_text(studies: Mapping[str, Study]) -> str:
    """The fronts in words, for those who cannot see the figure."""
    parts: Sequence[str] = [
        f"{name}: "
        + ", ".join(
            f"{row.natural_accuracy:.0%} natural and {row.attack_accuracy:.0%} attack"
            for _, row in study.front.iterrows()
        )
        for name, study in studies.items()
    ]
    return "Fronts over each other. " + ". ".join(parts) + "."
