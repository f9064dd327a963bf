"""Accuracies with their intervals as short texts, and tables of them as HTML."""

from __future__ import annotations

from html import escape

import pandas as pd

from mi_tune.judging.intervals import Estimate

FRONT_COLUMNS = {
    "trial": "trial",
    "law": "law",
    "natural_accuracy": "natural accuracy",
    "attack_accuracy": "attack accuracy",
}
"""Columns of the table of a front, with their titles."""


def percent(estimate: Estimate, sign: str = "") -> str:
    """An estimate in percent with its 95 % interval: `81.2 % [75, 87]`. sign: `+` for a difference, in points."""
    value, low, high = (round(100 * part, 1) + 0.0 for part in estimate)  # + 0.0: no minus zero
    unit = "points" if sign else "%"
    return f"{value:{sign}.1f} {unit} [{low:{sign}.0f}, {high:{sign}.0f}]"


def table_html(table: pd.DataFrame, columns: dict[str, str]) -> str:
    """The named columns as an HTML table; those with `_low` and `_high` beside them are shown with their interval."""
    head = "".join(f"<th>{escape(title)}</th>" for title in columns.values())
    lines = []
    for _, row in table.iterrows():
        cells = []
        for name in columns:
            if f"{name}_low" not in table:
                cells.append(str(row[name]))
            elif pd.isna(row[name]):
                cells.append("")
            elif pd.isna(row[f"{name}_low"]):
                cells.append(f"{row[name]:.1%}")
            else:
                cells.append(percent(Estimate(row[name], row[f"{name}_low"], row[f"{name}_high"])))
        lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
