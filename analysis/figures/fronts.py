"""Figure of several studies' fronts over each other, with intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from analysis.figures.look import SERIES, layout
from analysis.statistics.records import Study
from mi_tune.defences.columns import described

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "triangle-down")


def plot_fronts(studies: Mapping[str, Study]) -> go.Figure:
    """One staircase a study, its front with 95 % intervals, and its trial without defence as an open mark.

    Studies differ in colour and in the shape of their marks, so that no colour need be told from another.
    """
    figure = go.Figure()
    low, high = 1.0, 0.0
    for number, (name, study) in enumerate(studies.items()):
        colour, symbol = SERIES[number % len(SERIES)], SYMBOLS[number % len(SYMBOLS)]
        rows = study.front.sort_values("natural_accuracy")
        if not len(rows):
            continue
        low, high = min(low, rows.natural_accuracy.min()), max(high, rows.natural_accuracy.max())
        intervals = [
            rows[f"{column}_{end}"].map("{:.1%}".format)
            for column in ("natural_accuracy", "attack_accuracy")
            for end in ("low", "high")
        ]
        labels = [
            f"<b>{name}: {row.reference or f'law {trial}'}</b><br>{described(row)}" for trial, row in rows.iterrows()
        ]
        bars = {
            f"error_{axis}": {
                "type": "data",
                "symmetric": False,
                "array": rows[f"{column}_high"] - rows[column],
                "arrayminus": rows[column] - rows[f"{column}_low"],
                "color": f"rgba({','.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))},0.4)",
                "thickness": 1.2,
                "width": 0,
            }
            for axis, column in (("x", "natural_accuracy"), ("y", "attack_accuracy"))
        }
        figure.add_trace(
            go.Scatter(
                x=rows.natural_accuracy,
                y=rows.attack_accuracy,
                mode="lines+markers",
                name=name,
                legendgroup=name,
                line={"shape": "vh", "color": colour, "width": 2},
                marker={"size": 11, "symbol": symbol, "color": colour, "line": {"width": 1, "color": "white"}},
                customdata=np.column_stack([labels, *intervals]),
                hovertemplate="%{customdata[0]}<br>natural %{x:.1%} [%{customdata[1]}, %{customdata[2]}]"
                "<br>attack %{y:.1%} [%{customdata[3]}, %{customdata[4]}]<extra></extra>",
                **bars,
            )
        )
        base = study.undefended
        if base is not None:
            low, high = min(low, base.natural_accuracy), max(high, base.natural_accuracy)
            figure.add_trace(
                go.Scatter(
                    x=[base.natural_accuracy],
                    y=[base.attack_accuracy],
                    mode="markers",
                    legendgroup=name,
                    name=f"{name}, no defence",
                    marker={"size": 14, "symbol": f"{symbol}-open", "color": colour, "line": {"width": 2}},
                    hovertemplate=f"<b>{name}: no defence</b>"
                    "<br>natural %{x:.1%}<br>attack %{y:.1%}<extra></extra>",
                )
            )
    layout(
        figure,
        560,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        hovermode="closest",
    )
    figure.update_layout(margin={"t": 72})
    room = max(0.03, 0.1 * (high - low))
    figure.update_xaxes(
        title_text="natural accuracy (more is better)",
        tickformat=".0%",
        range=[max(0.0, low - room), min(1.01, high + room)],
    )
    figure.update_yaxes(title_text="attack accuracy (less is better)", tickformat=".0%", range=[-0.02, 1.02])
    return figure
