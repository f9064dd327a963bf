"""Figure that compares search methods: share of the best possible hypervolume over cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from analysis.figures.look import NEUTRAL, SERIES, layout
from analysis.statistics.searches import Curves

BAND_OPACITY = 0.12


@dataclass(frozen=True)
class SearchesInfo:
    """`curves`: by method. `share`: share of the best possible hypervolume at which costs are compared."""

    curves: dict[str, Curves]
    share: float


def searches_info(curves: Mapping[str, Curves], share: float) -> SearchesInfo:
    return SearchesInfo(dict(curves), share)


def plot_searches(info: SearchesInfo) -> go.Figure:
    """Mean over repetitions as a line, with a band that contains 80 % of them; a click on a name hides both."""
    figure = go.Figure()
    lowest = 1.0
    for number, (name, found) in enumerate(info.curves.items()):
        colour = SERIES[number % len(SERIES)]
        low, high = found.band()
        rgb = ",".join(str(int(colour[k : k + 2], 16)) for k in (1, 3, 5))
        begun = found.mean > 0
        if begun.any():
            lowest = min(lowest, float(found.mean[begun][0]))
        figure.add_trace(
            go.Scatter(
                x=np.concatenate([found.cost[begun], found.cost[begun][::-1]]),
                y=np.concatenate([high[begun], low[begun][::-1]]),
                fill="toself",
                mode="none",
                fillcolor=f"rgba({rgb},{BAND_OPACITY})",
                legendgroup=name,
                showlegend=False,
                hoverinfo="skip",
            )
        )
        figure.add_trace(
            go.Scatter(
                x=found.cost[begun],
                y=found.mean[begun],
                mode="lines",
                name=name,
                legendgroup=name,
                line={"color": colour, "width": 2, "dash": "dash" if number >= len(SERIES) else "solid"},
                hovertemplate=f"{name}<br>%{{y:.1%}} after %{{x:.1f}} whole trials<extra></extra>",
            )
        )
    figure.add_hline(
        y=info.share,
        line={"color": NEUTRAL, "width": 1, "dash": "dot"},
        annotation={"text": f"{info.share:.0%} of the best possible", "font": {"size": 11, "color": NEUTRAL}},
        annotation_position="bottom right",
    )
    layout(figure, 520, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"})
    # the part that only some methods spent, such as random search, is shown by "autoscale"
    end = min(found.cost[-1] for found in info.curves.values())
    figure.update_xaxes(title_text="cost (worker time of whole trials)", range=[0, float(end)])
    figure.update_yaxes(
        title_text="true hypervolume of the recommended laws", tickformat=".0%", range=[max(0.0, lowest - 0.1), 1.01]
    )
    return figure
