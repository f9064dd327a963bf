"""Figure of both objectives over each parameter of the law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures.look import DOMINATED, FRONT, layout
from analysis.statistics.records import Study
from mi_tune.defences.columns import described
from mi_tune.runtime.mix_text import mix_values

COLUMN_LABELS = {
    "realised_area": "share of pixels erased",
    "probability": "probability",
    "area_low": "least area",
    "area_high": "largest area",
    "aspect_high": "largest aspect ratio",
    "location": "location",
    "fill": "fill",
    "count": "rectangles",
    "clean_epochs": "clean epochs",
    "defences": "other defences",
}


@dataclass(frozen=True)
class ParametersInfo:
    """Complete laws with the columns `label` and `on_front`; `names`: the parameters that differ between them."""

    trials: pd.DataFrame
    names: list[str]


def parameters_info(study: Study) -> ParametersInfo:
    complete = study.complete
    labels = [row.reference or f"law {row.trial}: {described(row)}" for _, row in complete.iterrows()]
    kinds = [" + ".join(kind for kind, _ in mix_values(mix)) or "none" for mix in complete.defences]
    trials = complete.assign(label=labels, on_front=complete.index.isin(study.front.index), defences=kinds)
    return ParametersInfo(trials, [name for name in COLUMN_LABELS if trials[name].nunique() > 1])


def plot_parameters(info: ParametersInfo) -> go.Figure:
    """A grid with one column per parameter: natural accuracy at the top, attack accuracy below."""
    rows, names = info.trials, info.names
    figure = make_subplots(
        rows=2,
        cols=max(1, len(names)),
        shared_yaxes=True,
        shared_xaxes=True,
        horizontal_spacing=0.012,
        vertical_spacing=0.04,
    )
    # text values become positions, with jitter so that equal ones do not hide each other
    jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(rows))
    colours = np.where(rows.on_front, FRONT, DOMINATED)
    for column, name in enumerate(names, start=1):
        # a law that never erases has no area, fill or place
        always = name in ("realised_area", "probability", "defences")
        values = rows[name] if always else rows[name].where(rows.probability > 0)
        x, ticks = values, {}
        if not pd.api.types.is_numeric_dtype(values):
            levels = sorted(values.dropna().unique())
            x = values.map({level: k for k, level in enumerate(levels)}).astype(float) + jitter
            ticks = {"tickvals": list(range(len(levels))), "ticktext": levels, "range": [-0.5, len(levels) - 0.5]}
        for row, objective in enumerate(("natural_accuracy", "attack_accuracy"), start=1):
            figure.add_trace(
                go.Scatter(
                    x=x,
                    y=rows[objective],
                    mode="markers",
                    marker={"color": colours, "size": 7, "line": {"width": 0.5, "color": "white"}},
                    customdata=np.column_stack([rows.trial, rows.label]),
                    hovertemplate="%{customdata[1]}<br>%{y:.1%}<extra></extra>",
                    showlegend=False,
                ),
                row=row,
                col=column,
            )
            figure.update_xaxes(**ticks, row=row, col=column)
        figure.update_xaxes(title_text=COLUMN_LABELS[name], row=2, col=column)
    layout(figure, 440, hovermode="closest")
    figure.update_xaxes(title_font_size=12, tickfont_size=10, nticks=5)
    figure.update_yaxes(tickformat=".0%")
    for row, objective in enumerate(("natural_accuracy", "attack_accuracy"), start=1):
        low, high = rows[objective].min(), rows[objective].max()
        room = max(0.02, 0.08 * (high - low))
        figure.update_yaxes(range=[low - room, high + room], row=row)
    figure.update_yaxes(title_text="natural accuracy", row=1, col=1)
    figure.update_yaxes(title_text="attack accuracy", row=2, col=1)
    return figure
