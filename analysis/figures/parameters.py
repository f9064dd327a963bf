"""Figure of both objectives over each parameter of the law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures.look import DOMINATED, FRONT, layout
from analysis.statistics.parameters import Parameter, parameters, values_of
from analysis.statistics.records import Study
from mi_tune.defences.columns import described


@dataclass(frozen=True)
class ParametersInfo:
    """Complete laws with the columns `label` and `on_front`; `shown`: the parameters that differ between them."""

    trials: pd.DataFrame
    shown: list[Parameter]

    @property
    def names(self) -> list[str]:
        """Columns of the parameters."""
        return [one.name for one in self.shown]


def parameters_info(study: Study) -> ParametersInfo:
    complete = study.complete
    labels = [row.reference or f"law {row.trial}: {described(row)}" for _, row in complete.iterrows()]
    trials = complete.assign(label=labels, on_front=complete.index.isin(study.front.index))
    return ParametersInfo(trials, parameters(trials))


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
        values = values_of(rows, name)
        x, ticks = values, {}
        if not pd.api.types.is_numeric_dtype(values):
            values = values.astype("string")
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
        figure.update_xaxes(title_text=info.shown[column - 1].label, row=2, col=column)
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
