"""The share of each parameter in one question of `analysis.importance`."""

from __future__ import annotations

import plotly.graph_objects as go

from analysis.figures.look import FRONT, NEUTRAL, REFERENCE, layout
from analysis.statistics.importance import LABELS, Importance

PALE = "rgba(141,153,174,0.35)"


def plot_importance(answer: Importance) -> go.Figure:
    """Bars with their intervals, the longest above; pale where not told from nothing, whose share a mark shows."""
    names = list(reversed(answer.shares))
    labels = [LABELS[name] for name in names]
    shares = [answer.shares[name] for name in names]
    told = ["told from nothing" if answer.told(name) else "not told from nothing" for name in names]
    figure = go.Figure()
    figure.add_trace(
        go.Bar(
            x=[share.value for share in shares],
            y=labels,
            orientation="h",
            marker={"color": [FRONT if answer.told(name) else PALE for name in names]},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [share.high - share.value for share in shares],
                "arrayminus": [share.value - share.low for share in shares],
                "color": NEUTRAL,
                "thickness": 1.4,
                "width": 3,
            },
            customdata=[
                [text, f"{share.low:.0%}", f"{share.high:.0%}", f"{answer.nothing[name]:.0%}"]
                for text, share, name in zip(told, shares, names, strict=True)
            ],
            hovertemplate="<b>%{y}</b>: %{x:.0%} [%{customdata[1]}, %{customdata[2]}]"
            "<br>%{customdata[0]}: luck reaches %{customdata[3]}<extra></extra>",
            name="share",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=[answer.nothing[name] for name in names],
            y=labels,
            mode="markers",
            marker={"symbol": "line-ns", "size": 16, "line": {"width": 3, "color": REFERENCE}},
            hoverinfo="skip",
            name="luck",
        )
    )
    layout(figure, 80 + 32 * len(names), showlegend=False, bargap=0.35)
    figure.update_layout(margin={"l": 136, "r": 12, "t": 24, "b": 34})
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%", fixedrange=True)
    figure.update_yaxes(ticks="", showgrid=False, fixedrange=True)
    return figure
