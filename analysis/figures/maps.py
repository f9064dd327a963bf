"""Figure of erase maps: the share of training views in which each pixel was erased."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures.look import layout
from analysis.statistics.records import Study

MAX_MAPS = 8


@dataclass(frozen=True)
class EraseMap:
    """Share of training views in which each pixel was erased, (height, width) in [0, 1]."""

    trial: int
    label: str
    share: np.ndarray


def maps_info(study: Study) -> list[EraseMap]:
    """Maps of the reference points and front laws that erase, at most `MAX_MAPS`."""
    found = []
    for trial in dict.fromkeys([*study.references.index, *study.front.index]):
        history = study.history(trial)
        if history and study.trials.loc[trial, "probability"] > 0:
            label = study.trials.loc[trial, "reference"] or f"law {trial}"
            found.append(EraseMap(int(trial), label, np.array(history["erase_map"])))
    return found[:MAX_MAPS]


def plot_maps(maps: list[EraseMap]) -> go.Figure:
    """Small heat maps with one colour scale."""
    columns = min(4, max(1, len(maps)))
    rows = max(1, -(-len(maps) // columns))
    titles = [f"{m.label} ({m.share.mean():.0%})" for m in maps]
    figure = make_subplots(rows=rows, cols=columns, subplot_titles=titles, vertical_spacing=0.14)
    for number, item in enumerate(maps):
        figure.add_trace(
            go.Heatmap(
                z=item.share,
                coloraxis="coloraxis",
                hovertemplate="row %{y}, column %{x}: erased in %{z:.0%}<extra></extra>",
            ),
            row=number // columns + 1,
            col=number % columns + 1,
        )
    layout(figure, 60 + 230 * rows)
    figure.update_layout(
        coloraxis={"colorscale": "Viridis", "cmin": 0, "cmax": 1, "colorbar": {"tickformat": ".0%", "thickness": 12}},
        margin={"l": 12, "t": 40, "b": 12},
    )
    figure.update_annotations(font_size=12)
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, autorange="reversed", constrain="domain")
    for number in range(len(maps)):
        axis = "" if number == 0 else str(number + 1)
        figure.layout[f"yaxis{axis}"].scaleanchor = f"x{axis}"
    return figure
