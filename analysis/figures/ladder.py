"""Figure of the budget ladder: does a larger budget identify more people?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.figures.look import FRONT, NEUTRAL, layout
from analysis.statistics.evidence import Evidence
from analysis.statistics.verdict import attack_name

RUNG_DISTANCE = 0.22
"""Distance between two rungs of the same law, in rows."""
FAINTEST_OPACITY = 0.35


@dataclass(frozen=True)
class LadderInfo:
    """Numbers of the figure.

    rows: one row per law and rung, the smallest budget first: `law`, `rung`, `value`, `low`, `high`, `seeds`. laws,
    rungs: in drawing order.
    """

    rows: pd.DataFrame
    laws: list[str]
    rungs: list[str]
    judge: str


def ladder_info(evidence: Evidence) -> LadderInfo:
    rows = []
    for law in evidence.confirmation.laws:
        ladder = evidence.ladder(law.name)
        if ladder is None:
            continue
        for rung in ladder.rungs:
            estimate = rung.drawn.estimate._asdict()
            rows.append({"law": law.name, "rung": attack_name(rung.attack), **estimate, "seeds": ladder.seeds})
    table = pd.DataFrame(rows, columns=["law", "rung", "value", "low", "high", "seeds"])
    rungs = [attack_name(attack) for attack in evidence.confirmation.config["ladder"]]
    return LadderInfo(
        table,
        list(dict.fromkeys(table.law)),
        [rung for rung in rungs if rung in set(table.rung)],
        evidence.confirmation.headline.name,
    )


def plot_ladder(info: LadderInfo) -> go.Figure:
    """One row per law, with its rungs below each other and the largest budget in full colour."""
    figure = go.Figure()
    row_of = {law: row for row, law in enumerate(info.laws)}
    shift = {rung: RUNG_DISTANCE * (k - (len(info.rungs) - 1) / 2) for k, rung in enumerate(info.rungs)}
    for law, rows in info.rows.groupby("law", sort=False):
        figure.add_trace(
            go.Scatter(
                x=rows.value,
                y=row_of[law] + rows.rung.map(shift),
                mode="lines",
                line={"color": NEUTRAL, "width": 1},
                hoverinfo="skip",
                showlegend=False,
            )
        )
    for rung, strength in zip(info.rungs, np.linspace(FAINTEST_OPACITY, 1.0, len(info.rungs)), strict=True):
        rows = info.rows[info.rows.rung == rung]
        figure.add_trace(
            go.Scatter(
                x=rows.value,
                y=rows.law.map(row_of) + shift[rung],
                mode="markers",
                name=rung,
                opacity=float(strength),
                marker={"color": FRONT, "size": 10},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": rows.high - rows.value,
                    "arrayminus": rows.value - rows.low,
                    "color": FRONT,
                    "thickness": 1.5,
                    "width": 0,
                },
                customdata=rows[["law", "low", "high", "seeds"]],
                hovertemplate=f"<b>%{{customdata[0]}}</b><br>{rung}: %{{x:.1%}} "
                "[%{customdata[1]:.1%}, %{customdata[2]:.1%}]<br>%{customdata[3]} seed(s)<extra></extra>",
            )
        )
    layout(
        figure,
        130 + 52 * max(1, len(info.laws)),
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        hovermode="closest",
    )
    figure.update_xaxes(title_text="attack accuracy", tickformat=".0%", range=[-0.02, 1.02])
    figure.update_yaxes(
        automargin=True,
        ticks="",
        tickvals=list(row_of.values()),
        ticktext=list(row_of),
        range=[len(info.laws) - 0.4, -0.6],
    )
    return figure
