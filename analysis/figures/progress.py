"""Figure of the hypervolume over the study: does the search still find better laws?"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from analysis.figures.look import FRONT, NEUTRAL, layout
from analysis.statistics.recommendation import hypervolume_history
from analysis.statistics.records import Study


@dataclass(frozen=True)
class ProgressInfo:
    """`history`: see `hypervolume_history`. `references`: number of complete trials before the first searched law."""

    history: pd.DataFrame
    references: int


def progress_info(study: Study) -> ProgressInfo:
    history = hypervolume_history(study)
    searched = study.trials.loc[history.trial, "reference"].to_numpy() == ""
    return ProgressInfo(history, int(searched.argmax()) if searched.any() else len(history))


def plot_progress(info: ProgressInfo) -> go.Figure:
    """Hypervolume as a step line over the minutes of the study."""
    history = info.history
    figure = go.Figure(
        go.Scatter(
            x=history.minutes,
            y=history.hypervolume,
            mode="lines+markers",
            line={"shape": "hv", "color": FRONT, "width": 2},
            marker={"size": 5},
            customdata=history[["finished", "trial"]],
            hovertemplate="%{y:.3f} after %{customdata[0]} laws (%{x:.1f} min; law %{customdata[1]})<extra></extra>",
        )
    )
    if 0 < info.references < len(history):
        figure.add_vline(
            x=history.minutes.iloc[info.references - 1],
            line={"color": NEUTRAL, "width": 1, "dash": "dot"},
            annotation={"text": "first reference points done", "font": {"size": 11, "color": NEUTRAL}},
            annotation_position="bottom right",
        )
    layout(figure, 320)
    figure.update_xaxes(title_text="minutes since the first trial began", rangemode="tozero")
    figure.update_yaxes(title_text="hypervolume")
    return figure
