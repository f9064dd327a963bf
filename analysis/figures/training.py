"""Figure of natural accuracy over epochs: has training converged for each law on the front?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from analysis.figures.look import SERIES, layout
from analysis.statistics.records import Study
from mi_tune.defences.columns import described


@dataclass(frozen=True)
class Curve:
    """Natural accuracy (mean over replicates) after each of `epochs`."""

    trial: int
    label: str
    epochs: list[int]
    accuracy: list[float]
    on_front: bool


def training_info(study: Study) -> list[Curve]:
    """One curve for each law on the front and each reference point."""
    curves = []
    wanted = [*study.front.index, *(t for t in study.references.index if t not in study.front.index)]
    for trial in wanted:
        history = study.history(trial)
        if history and history["epochs"]:
            reference = study.trials.loc[trial, "reference"]
            curves.append(
                Curve(
                    int(trial),
                    reference or f"law {trial}: {described(study.trials.loc[trial])}",
                    history["epochs"],
                    np.mean(history["natural_accuracy"], axis=0).tolist(),
                    trial in study.front.index,
                )
            )
    return curves


def plot_training(curves: list[Curve]) -> go.Figure:
    """Laws on the front as solid lines, reference points that are not on it as dotted lines."""
    figure = go.Figure()
    colours = iter(SERIES * (1 + len(curves) // len(SERIES)))
    for curve in curves:
        figure.add_trace(
            go.Scatter(
                x=curve.epochs,
                y=curve.accuracy,
                mode="lines+markers",
                name=curve.label if len(curve.label) < 34 else curve.label.split(":")[0],
                line={"color": next(colours), "width": 2, "dash": "solid" if curve.on_front else "dot"},
                marker={"size": 5},
                hovertemplate=f"{curve.label}<br>epoch %{{x}}: %{{y:.1%}}<extra></extra>",
            )
        )
    layout(figure, 380, hovermode="closest")
    figure.update_xaxes(title_text="epoch", rangemode="tozero")
    figure.update_yaxes(title_text="natural accuracy", tickformat=".0%")
    return figure
