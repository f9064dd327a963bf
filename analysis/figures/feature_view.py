"""Figures of reconstructions in feature space: planes as in MIDRE's Figure 2, and the measures along the front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures.look import FRONT, NEUTRAL, REFERENCE, SERIES, layout
from mi_tune.judging.features import NEARER_TO_ERASED, PAIRS, WAY_TO_ERASED, FeatureView
from mi_tune.judging.features.view import GROUPS

GROUP_COLOURS = dict(zip(GROUPS, (FRONT, SERIES[3], REFERENCE), strict=True))
GROUP_MARKERS = dict(zip(GROUPS, ("circle", "circle", "diamond"), strict=True))
GROUP_NAMES = dict(zip(GROUPS, ("private images", "erased private images", "reconstructions"), strict=True))
PAIR_COLOURS = dict(
    zip((WAY_TO_ERASED, NEARER_TO_ERASED, *PAIRS), (REFERENCE, REFERENCE, FRONT, SERIES[3], SERIES[2]), strict=True)
)
MEASURE_NAMES = {
    "energy": "energy distance",
    "mmd": "MMD²",
    "separability": "linear probe, AUC",
    "neighbours": "share of neighbours<br>in own group",
    "cosine": "cosine of means",
}


@dataclass(frozen=True)
class Cloud:
    """One group of one class: points (n, 2), a text for each, and the closed outline of its convex hull."""

    group: str
    points: np.ndarray
    texts: list[str]
    outline: np.ndarray


@dataclass(frozen=True)
class FeatureViewInfo:
    """One panel per class: its title and its clouds in drawing order. axes: titles of the two axes.

    half: half of the width that all panels share, in units of the projection.
    """

    panels: list[tuple[str, list[Cloud]]]
    axes: tuple[str, str]
    note: str
    half: float


def feature_view_info(view: FeatureView, names: Mapping[int, str] | None = None) -> FeatureViewInfo:
    """Clouds and texts of a view. `names`: titles of classes; by default their numbers, which reveal no identity."""
    panels = []
    for label in view.classes:
        clouds = [
            _cloud(view, int(label), number) for number in (1, 0, 2)
        ]  # erased views first: they are many and would hide the rest
        panels.append(((names or {}).get(int(label), f"class {label}"), clouds))
    spans = [np.ptp(np.concatenate([cloud.points for cloud in clouds]), axis=0).max() for _, clouds in panels]
    shares = ", ".join(f"{GROUP_NAMES[group]} {share:.0%}" for group, share in zip(GROUPS, view.in_plane, strict=True))
    first, second = (f"axis {k + 1} ({share:.0%} of variance)" for k, share in enumerate(view.explained))
    return FeatureViewInfo(
        panels,
        (first, second),
        f"{view.projection}. Share of the squared distance from the centre that lies in the plane: {shares}."
        "<br>The hull of erased images uses one view of each image, because hulls grow with the number of points.",
        0.55 * max(float(max(spans)), 1e-9),
    )


def _cloud(view: FeatureView, label: int, number: int) -> Cloud:
    group = GROUPS[number]
    mine = (view.point_class == label) & (view.point_group == number)
    corners = view.hulls[(view.hull_class == label) & (view.hull_group == number)]
    word = {"private": "private image", "erased": "erased view, draw", "reconstruction": "reconstruction"}[group]
    texts = [f"{word} {draw + 1}" for draw in view.point_draw[mine]]
    return Cloud(group, view.points[mine], texts, np.concatenate([corners, corners[:1]]))


def plot_feature_view(info: FeatureViewInfo) -> go.Figure:
    """One panel per class, all on one scale; a click in the legend shows or hides a group in all panels."""
    figure = make_subplots(
        rows=1, cols=len(info.panels), subplot_titles=[title for title, _ in info.panels], horizontal_spacing=0.05
    )
    for column, (_, clouds) in enumerate(info.panels, start=1):
        for cloud in clouds:
            colour = GROUP_COLOURS[cloud.group]
            shared = {"legendgroup": cloud.group, "name": GROUP_NAMES[cloud.group]}
            outline = go.Scatter(
                x=cloud.outline[:, 0],
                y=cloud.outline[:, 1],
                mode="lines",
                fill="toself",
                line={"color": colour, "width": 1.2},
                fillcolor=_faint(colour, 0.12),
                hoverinfo="skip",
                showlegend=False,
                **shared,
            )
            dots = go.Scatter(
                x=cloud.points[:, 0],
                y=cloud.points[:, 1],
                mode="markers",
                text=cloud.texts,
                hovertemplate="%{text}<extra></extra>",
                marker={
                    "symbol": GROUP_MARKERS[cloud.group],
                    "color": colour,
                    "size": 5 if cloud.group == "erased" else 9,
                    "opacity": 0.6 if cloud.group == "erased" else 0.95,
                    "line": {"width": 0 if cloud.group == "erased" else 1, "color": "white"},
                },
                showlegend=column == 1,
                **shared,
            )
            figure.add_trace(outline, row=1, col=column)
            figure.add_trace(dots, row=1, col=column)
    layout(
        figure, 430, hovermode="closest",
        legend={"orientation": "h", "y": 1.12, "yanchor": "bottom", "x": 0, "xanchor": "left"},
    )  # fmt: skip
    figure.update_layout(margin={"l": 56, "t": 84, "b": 100})
    figure.update_annotations(font_size=12)
    for column, (_, clouds) in enumerate(info.panels, start=1):
        everything = np.concatenate([cloud.points for cloud in clouds])
        middle = (everything.max(0) + everything.min(0)) / 2
        axis = "" if column == 1 else str(column)
        x, y = figure.layout[f"xaxis{axis}"], figure.layout[f"yaxis{axis}"]
        x.update(range=[middle[0] - info.half, middle[0] + info.half], constrain="domain", nticks=5)
        y.update(range=[middle[1] - info.half, middle[1] + info.half], constrain="domain", nticks=5)
        y.scaleanchor = f"x{axis}"
        x.update(title={"text": info.axes[0], "font": {"size": 11}})
    figure.layout.yaxis.title = {"text": info.axes[1], "font": {"size": 11}}
    figure.add_annotation(
        text=info.note, x=0, xref="paper", xanchor="left", y=0, yref="paper", yanchor="top", yshift=-52,
        showarrow=False, align="left", font={"size": 11, "color": NEUTRAL},
    )  # fmt: skip
    return figure


def _faint(colour: str, opacity: float) -> str:
    return f"rgba({','.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))},{opacity})"


# ------------------------------------------------------------------------------------------------- along the front


@dataclass(frozen=True)
class MeasuresInfo:
    """Numbers of the figure.

    labels: of the targets, from left to right. encoders: one column each, from left to right. panels: (title, rows of
    the summaries with a column `label`), from top to bottom.
    """

    labels: list[str]
    encoders: list[str]
    panels: list[tuple[str, pd.DataFrame]]


def measures_info(summaries: Sequence[tuple[str, pd.DataFrame]]) -> MeasuresInfo:
    """Panels of several targets. Measures without any value are left out.

    summaries: (label, `FeatureTable.summary()`) of each target, in drawing order.
    """
    labels = [label for label, _ in summaries]
    rows = pd.concat([summary.assign(label=label) for label, summary in summaries], ignore_index=True)
    panels = [
        ("position between private (0)<br>and erased (1) images", rows[rows.pair == WAY_TO_ERASED]),
        ("nearer to erased than to<br>private images by", rows[rows.pair == NEARER_TO_ERASED]),
    ]
    panels += [
        (title, rows[(rows.measure == measure) & rows.pair.isin(PAIRS)]) for measure, title in MEASURE_NAMES.items()
    ]
    # measures need several images per person
    panels = [(title, own) for title, own in panels if own.value.notna().any()]
    return MeasuresInfo(labels, list(rows.encoder.unique()), panels)


def plot_measures(info: MeasuresInfo) -> go.Figure:
    """One row per measure, one column per encoder, one marker per target and pair, with its 95 % interval over people.

    Dotted lines: in the first row, private (0) and erased images (1); in the others, the value for equal distributions
    if it is the same for all targets.
    """
    columns = len(info.encoders)
    figure = make_subplots(
        rows=len(info.panels), cols=columns, shared_xaxes=True, shared_yaxes=True, column_titles=info.encoders,
        vertical_spacing=0.025, horizontal_spacing=0.03,
    )  # fmt: skip
    place = {label: number for number, label in enumerate(info.labels)}
    seen: set[str] = set()
    for row, (title, rows) in enumerate(info.panels, start=1):
        for column, encoder in enumerate(info.encoders, start=1):
            ours = rows[rows.encoder == encoder]
            for pair in ours.pair.unique():
                shift = 0.16 * (PAIRS.index(pair) - 1) if pair in PAIRS else 0.0
                figure.add_trace(
                    _markers(ours[ours.pair == pair], pair, place, shift, pair not in seen), row=row, col=column
                )
                seen.add(pair)
            for level in (0, 1) if WAY_TO_ERASED in set(ours.pair) else _common_values(ours.expected):
                dotted = {"color": NEUTRAL, "width": 1, "dash": "dot"}
                figure.add_hline(y=float(level), line=dotted, row=row, col=column)
        levels = np.concatenate([rows[end] for end in ("value", "low", "high")] + [[0, 1]] * (row == 1))
        levels = levels[np.isfinite(levels)] if np.isfinite(levels).any() else np.zeros(1)
        room = max(0.08 * np.ptp(levels), 0.01)
        figure.update_yaxes(range=[levels.min() - room, levels.max() + room], row=row)
        figure.update_yaxes(title={"text": title, "font": {"size": 11}, "standoff": 12}, row=row, col=1)
    layout(
        figure, 110 + 165 * len(info.panels), hovermode="closest",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
    )  # fmt: skip
    figure.update_layout(margin={"l": 84, "t": 76, "b": 84})
    figure.update_annotations(font_size=12)
    ticks = {"tickvals": list(place.values()), "ticktext": info.labels, "range": [-0.5, len(place) - 0.5]}
    figure.update_xaxes(**ticks, automargin=True)
    figure.update_yaxes(nticks=6, automargin=True)
    return figure


def _common_values(values: pd.Series) -> list[float]:
    """The value that all have in common, or nothing."""
    distinct = values.unique()
    return list(distinct) if len(distinct) == 1 else []


def _markers(rows: pd.DataFrame, pair: str, place: dict[str, int], shift: float, in_legend: bool) -> go.Scatter:
    tests = [
        "" if pd.isna(p) else f"<br>combined p (Fisher) {p:.2g}; p below 5 % in {share:.0%} of {tested} classes"
        for p, share, tested in zip(rows.p_value, rows.share_below, rows.tested_classes, strict=True)
    ]
    ends = rows[["low", "high"]].map(lambda value: "–" if pd.isna(value) else f"{value:.3f}")
    return go.Scatter(
        x=rows.label.map(place) + shift,
        y=rows.value,
        error_y={
            "type": "data",
            "symmetric": False,
            "array": rows.high - rows.value,
            "arrayminus": rows.value - rows.low,
            "color": _faint(PAIR_COLOURS[pair], 0.6),
            "thickness": 1.4,
            "width": 0,
        },
        mode="markers",
        name=pair.replace(", ", " to "),
        legendgroup=pair,
        showlegend=in_legend and pair in PAIRS,
        marker={
            "size": 9,
            "color": PAIR_COLOURS[pair],
            "symbol": "circle" if pair in PAIRS else "diamond",
            "line": {"width": 1, "color": "white"},
        },
        customdata=np.column_stack([rows.label, ends.low, ends.high, rows.classes, tests]),
        hovertemplate="<b>%{customdata[0]}</b><br>%{y:.3f} [%{customdata[1]}, %{customdata[2]}] over "
        "%{customdata[3]} classes%{customdata[4]}<extra></extra>",
    )
