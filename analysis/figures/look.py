"""The common look of all figures. The page adapts text and grids to light and dark mode; traces keep these colours."""

from __future__ import annotations

import plotly.graph_objects as go

FRONT = "#0b7072"
DOMINATED = "#8d99ae"
REFERENCE = "#e4572e"
INFEASIBLE = "#b08968"
CONTROL = "#7b5ea7"
NEUTRAL = "#8a8f98"
SERIES = ["#0b7072", "#e4572e", "#4c78a8", "#e0a100", "#7b5ea7", "#54a24b", "#d6618f", "#8c6d46"]
"""Distinguishable with red-green blindness, and on white and on black."""


def layout(figure: go.Figure, height: int, **more: object) -> go.Figure:
    """Apply the common layout: transparent, wide margins, and no title because the page has one."""
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 64, "r": 24, "t": 24, "b": 56},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        hoverlabel={"align": "left"},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": NEUTRAL, "activecolor": FRONT},
        **more,
    )
    grid = {"gridcolor": "rgba(128,128,128,0.18)", "zeroline": False, "ticks": "outside", "tickcolor": NEUTRAL}
    figure.update_xaxes(**grid)
    figure.update_yaxes(**grid)
    return figure
