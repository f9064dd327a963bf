"""Figure that compares studies: hypervolume over wall-clock time."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from analysis.figures.look import SERIES, layout

DASHES = ("solid", "dash", "dot", "dashdot")


AXES = {"minutes": (1.0, "minutes since the first trial began"), "cost": (60.0, "minutes of all workers together")}
"""Columns that can lie along the horizontal axis, with what their values are divided by, and the title."""


def plot_found(found: Mapping[str, pd.DataFrame], column: str, meaning: str, over: str = "minutes") -> go.Figure:
    """One line per study, with one step per trial.

    Args:
        found: tables from `analysis.statistics.found.found_over_time`, by study. column: column to draw. meaning: title
            of the vertical axis. over: one of `AXES`.
    """
    divisor, title = AXES[over]
    figure = go.Figure()
    for number, (name, table) in enumerate(found.items()):
        figure.add_trace(
            go.Scatter(
                x=table[over] / divisor,
                y=table[column],
                mode="lines+markers",
                name=name,
                line={
                    "shape": "hv",
                    "width": 2,
                    "color": SERIES[number % len(SERIES)],
                    "dash": DASHES[number // len(SERIES) % len(DASHES)],
                },
                marker={"size": 4},
                hovertemplate=f"{name}<br>%{{y:.3f}} after %{{x:.1f}} min<extra></extra>",
            )
        )
    layout(figure, 460, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"})
    figure.update_xaxes(title_text=title, rangemode="tozero")
    figure.update_yaxes(title_text=meaning)
    return figure
