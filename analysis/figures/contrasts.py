"""Figure of a property study: natural accuracy and mean attack accuracy of each treatment."""

from __future__ import annotations

import plotly.graph_objects as go

from analysis.figures.look import FRONT, NEUTRAL, REFERENCE, layout
from analysis.statistics.contrast import PropertyRecord
from mi_tune.trial.point import UNDEFENDED


def plot_contrasts(record: PropertyRecord) -> go.Figure:
    """One marker per treatment with its intervals, in percent. The base and the undefended training are highlighted."""
    figure = go.Figure()
    for number, one in enumerate(record.contrasts):
        base = one.name == record.config["base"]
        colour = FRONT if base else NEUTRAL if one.name == UNDEFENDED else REFERENCE
        x, y = ([100 * part for part in estimate] for estimate in (one.natural, one.mean))
        bars = [
            {"type": "data", "symmetric": False, "array": [ends[2] - ends[0]], "arrayminus": [ends[0] - ends[1]],
             "thickness": 1.1, "width": 0, "color": colour}
            for ends in (x, y)
        ]  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=[x[0]],
                y=[y[0]],
                error_x=bars[0],
                error_y=bars[1],
                mode="markers+text",
                text=[one.name],
                textposition="top left" if number % 2 else "bottom left",
                marker={"size": 11, "color": colour, "symbol": "diamond" if base else "circle"},
                hovertemplate=f"<b>{one.name}</b><br>natural {x[0]:.1f} % [{x[1]:.0f}, {x[2]:.0f}]"
                f"<br>attack (mean) {y[0]:.1f} % [{y[1]:.0f}, {y[2]:.0f}]<extra></extra>",
                showlegend=False,
            )
        )
    layout(figure, 480, hovermode="closest")
    figure.update_xaxes(title="natural accuracy on test images, % (more is better)")
    figure.update_yaxes(title="attack accuracy, mean, % (less is better)")
    return figure
