"""Figure of the budget ladder: does a larger budget identify more people?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.figures.look import FRONT, NEUTRAL, layout
from analysis.statistics.evidence import Evidence
from analysis.statistics.verdict import attack_name

BUDGET_DISTANCE = 0.22
"""Distance between two budgets of the same law, in rows."""
FAINTEST_OPACITY = 0.35


@dataclass(frozen=True)
class LadderInfo:
    """Numbers of the figure.

    rows: one row per law and budget, the smallest first: `law`, `budget`, `value`, `low`, `high`, `seeds`. laws,
    budgets: in drawing order.
    """

    rows: pd.DataFrame
    laws: list[str]
    budgets: list[str]
    judge: str


def ladder_info(evidence: Evidence) -> LadderInfo:
    rows = []
    for law in evidence.confirmation.laws:
        ladder = evidence.ladder(law.name)
        if ladder is None:
            continue
        for budget in ladder.budgets:
            estimate = budget.drawn.estimate._asdict()
            rows.append({"law": law.name, "budget": attack_name(budget.attack), **estimate, "seeds": ladder.seeds})
    table = pd.DataFrame(rows, columns=["law", "budget", "value", "low", "high", "seeds"])
    budgets = [attack_name(attack) for attack in evidence.confirmation.config["ladder"]]
    return LadderInfo(
        table,
        list(dict.fromkeys(table.law)),
        [budget for budget in budgets if budget in set(table.budget)],
        evidence.confirmation.headline.name,
    )


def plot_ladder(info: LadderInfo) -> go.Figure:
    """One row per law, with its budgets below each other and the largest budget in full colour."""
    figure = go.Figure()
    row_of = {law: row for row, law in enumerate(info.laws)}
    shift = {budget: BUDGET_DISTANCE * (k - (len(info.budgets) - 1) / 2) for k, budget in enumerate(info.budgets)}
    for law, rows in info.rows.groupby("law", sort=False):
        figure.add_trace(
            go.Scatter(
                x=rows.value,
                y=row_of[law] + rows.budget.map(shift),
                mode="lines",
                line={"color": NEUTRAL, "width": 1},
                hoverinfo="skip",
                showlegend=False,
            )
        )
    for budget, strength in zip(info.budgets, np.linspace(FAINTEST_OPACITY, 1.0, len(info.budgets)), strict=True):
        rows = info.rows[info.rows.budget == budget]
        figure.add_trace(
            go.Scatter(
                x=rows.value,
                y=rows.law.map(row_of) + shift[budget],
                mode="markers",
                name=budget,
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
                hovertemplate=f"<b>%{{customdata[0]}}</b><br>{budget}: %{{x:.1%}} "
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
