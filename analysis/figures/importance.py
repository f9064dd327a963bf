"""Figure of the importance of each parameter, for one question of `analysis.statistics.importance`."""

from __future__ import annotations

import plotly.graph_objects as go

from analysis.figures.look import FRONT, NEUTRAL, REFERENCE, layout
from analysis.statistics.importance import Importance, label_of

PALE = "rgba(141,153,174,0.35)"


def plot_importance(answer: Importance) -> go.Figure:
    """One bar per parameter with its interval, the longest at the top.

    A mark shows the share that luck can reach; a bar below its mark is pale.
    """
    names = list(reversed(answer.shares))
    labels = [label_of(name) for name in names]
    shares = [answer.shares[name] for name in names]
    findings = ["larger than luck explains" if answer.above_luck(name) else "luck can explain it" for name in names]
    figure = go.Figure()
    figure.add_trace(
        go.Bar(
            x=[share.value for share in shares],
            y=labels,
            orientation="h",
            marker={"color": [FRONT if answer.above_luck(name) else PALE for name in names]},
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
                [text, f"{share.low:.0%}", f"{share.high:.0%}", f"{answer.luck[name]:.0%}"]
                for text, share, name in zip(findings, shares, names, strict=True)
            ],
            hovertemplate="<b>%{y}</b>: %{x:.0%} [%{customdata[1]}, %{customdata[2]}]"
            "<br>%{customdata[0]}: luck can reach %{customdata[3]}<extra></extra>",
            name="share",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=[answer.luck[name] for name in names],
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
