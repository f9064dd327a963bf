"""Figure of the front: natural accuracy and attack accuracy, with intervals, reference points and baselines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures.labels import LINE, add_far_labels, place_labels, text_box
from analysis.figures.look import CONTROL, DOMINATED, FRONT, INFEASIBLE, NEUTRAL, REFERENCE, layout
from analysis.statistics.control_line import STOPPED, ControlLine, control_line
from analysis.statistics.records import Study
from mi_tune.defences.columns import described
from mi_tune.search.state import State
from mi_tune.trial.point import UNDEFENDED
from mi_tune.trial.undefended import FEWER, SMALLER

HEIGHT, MARGIN = 560, {"t": 56, "b": 56}
"""Height of the figure and its upper and lower margin, in pixels."""
STRIP_HEIGHTS, SPACING = [0.9, 0.1], 0.03
"""Heights of the figure above the strip of infeasible laws and of that strip, as shares; the space between them."""
Y_RANGE = (-0.02, 1.02)
HIGH_BASELINE = 0.9
"""The name of a higher baseline stands below its line."""


@dataclass(frozen=True)
class FrontInfo:
    """Numbers of the figure.

    front, dominated, references, infeasible: rows of the table of laws with a column `label`; a reference point is also
    in `front` or `dominated`. baselines: (label, attack accuracy). floor: as natural accuracy, or None.
    band: natural accuracy, attack accuracy of the lowest control and the ends of the controls' 95 % band, (n, 4); or no
        rows. controls: one row per control, with its `kind`, `name`, `natural` and `attack` accuracy.
    """

    front: pd.DataFrame
    dominated: pd.DataFrame
    references: pd.DataFrame
    infeasible: pd.DataFrame
    baselines: list[tuple[str, float]]
    floor: float | None
    attack: str
    judge: str
    band: np.ndarray
    controls: pd.DataFrame


def front_info(study: Study) -> FrontInfo:
    trials = study.trials.assign(label=[_label(row) for _, row in study.trials.iterrows()])
    complete = trials[trials.state == State.COMPLETE]
    on_front = complete.index.isin(study.front.index)
    baselines = [("chance", study.config["baselines"]["chance"])]
    if study.undefended is not None:
        start = float(study.undefended.start_attack_accuracy)
        # an attack that starts from one image for everybody starts at chance, whose line is there already
        if abs(start - study.config["baselines"]["chance"]) > 0.01:
            baselines.append(("the attack's start, not optimised", start))
    if "judge_on_held_out" in study.config["baselines"]:
        baselines.append(("judge on real held-out images", study.config["baselines"]["judge_on_held_out"]))
    floors = trials.floor.dropna()
    line = control_line(study)
    return FrontInfo(
        front=complete.loc[study.front.index],
        dominated=complete[~on_front],
        references=complete[complete.reference != ""],
        infeasible=trials[(trials.state == State.INFEASIBLE) & trials.natural_accuracy.notna()],
        baselines=baselines,
        floor=float(floors.max()) if len(floors) else None,
        attack=f"{study.config['attack']['name']}, {study.config['attack']['budget']} budget",
        judge=(study.config["judge"] or {}).get("name", "not trained yet"),
        band=_band(line),
        controls=_controls(line),
    )


def _band(line: ControlLine | None) -> np.ndarray:
    if line is None:
        return np.empty((0, 4))
    found = [(float(at), line.at(float(at))) for at in np.linspace(line.lowest, line.most_accurate, 41)]
    return np.array([(at, band.lower, band.low, band.high) for at, band in found if band is not None]).reshape(-1, 4)


def _controls(line: ControlLine | None) -> pd.DataFrame:
    rows = [
        (curve.kind, name, natural, attack)
        for curve in (line.curves if line is not None else ())
        for name, natural, attack in zip(curve.names, curve.natural.mean(1), curve.attack.mean(1), strict=True)
        if name != UNDEFENDED  # the trial itself, a point of its own
    ]
    return pd.DataFrame(rows, columns=["kind", "name", "natural", "attack"])


def _label(row: pd.Series) -> str:
    law = described(row)
    return f"<b>{row.reference}</b><br>{law}" if row.reference else f"<b>law {row.trial}</b><br>{law}"


def plot_front(info: FrontInfo) -> go.Figure:
    """The front as a staircase with 95 % intervals, other laws fainter, and infeasible laws on a strip of their own.

    Only laws on the front have horizontal bars, because all bars together would hide the points.
    """
    strip = len(info.infeasible) > 0
    figure = make_subplots(
        rows=2 if strip else 1,
        shared_xaxes=True,
        vertical_spacing=SPACING,
        row_heights=STRIP_HEIGHTS if strip else [1.0],
    )
    complete = pd.concat([info.front, info.dominated])
    left, right = _x_range(complete if len(complete) else info.infeasible)
    _add_controls(figure, info.band, info.controls)
    if len(info.front):
        ordered = info.front.sort_values("natural_accuracy")
        x = [left, *ordered.natural_accuracy, ordered.natural_accuracy.iloc[-1]]
        y = [ordered.attack_accuracy.iloc[0], *ordered.attack_accuracy, 1.0]
        stairs = go.Scatter(
            x=x,
            y=y,
            mode="lines",
            line={"shape": "vh", "color": FRONT, "width": 3},
            opacity=0.35,
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_trace(stairs, row=1, col=1)
    figure.add_trace(_points(info.dominated, "dominated", DOMINATED, 8, 0.25, wide=False), row=1, col=1)
    figure.add_trace(_points(info.front, "front", FRONT, 12, 0.6), row=1, col=1)
    _add_reference_points(figure, info, left, right, strip)
    for label, value in info.baselines:
        figure.add_hline(
            y=value,
            line={"color": NEUTRAL, "width": 1, "dash": "dot"},
            annotation={"text": label, "font": {"size": 11, "color": NEUTRAL}},
            annotation_position="bottom left" if value > HIGH_BASELINE else "top left",
            row=1,
            col=1,
        )
    if info.floor is not None:
        seen = left <= info.floor <= right
        if seen:
            figure.add_vline(x=info.floor, line={"color": INFEASIBLE, "width": 1, "dash": "dash"})
        figure.add_annotation(
            x=info.floor if seen else left,
            y=1.0,
            yref="y domain",
            text="floor" if seen else f"floor at {info.floor:.0%}, to the left of this figure",
            showarrow=False,
            xanchor="left",
            yanchor="bottom",
            font={"size": 11, "color": INFEASIBLE},
        )
    if strip:
        rows = info.infeasible
        # laws far below the floor are drawn at the edge, so that they do not squeeze the front into a corner
        outside = rows.natural_accuracy < left
        crosses = go.Scatter(
            x=rows.natural_accuracy.clip(lower=left),
            y=np.zeros(len(rows)),
            mode="markers",
            name="infeasible",
            cliponaxis=False,
            marker={
                "symbol": np.where(outside, "triangle-left", "x-thin"),
                "size": 9,
                "color": INFEASIBLE,
                "line": {"width": 2, "color": INFEASIBLE},
            },
            customdata=np.column_stack([rows.trial, rows.label, rows.natural_accuracy.map("{:.1%}".format)]),
            hovertemplate="%{customdata[1]}<br>natural %{customdata[2]}: below the floor<extra></extra>",
        )
        figure.add_trace(crosses, row=2, col=1)
        figure.update_yaxes(visible=False, range=[-1, 1], fixedrange=True, row=2, col=1)
        figure.add_annotation(
            text="infeasible", x=0, xref="x domain", y=0.5, yref="y2 domain", showarrow=False, xanchor="right",
            xshift=-8, font={"size": 11, "color": INFEASIBLE},
        )  # fmt: skip
    layout(
        figure,
        HEIGHT,
        legend={"orientation": "h", "y": 1.05, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        hovermode="closest",
        clickmode="event",
    )
    figure.update_layout(margin={"l": 96 if strip else 72, **MARGIN})
    figure.update_xaxes(tickformat=".0%", range=[left, right])
    figure.update_xaxes(title_text="natural accuracy (more is better)", row=2 if strip else 1, col=1)
    figure.update_yaxes(
        title_text=f"attack accuracy ({info.attack}; judge {info.judge})",
        title_font_size=12,
        title_standoff=14,
        tickformat=".0%",
        range=Y_RANGE,
        row=1,
        col=1,
    )
    return figure


def _x_range(rows: pd.DataFrame) -> tuple[float, float]:
    """Range of the horizontal axis, with room for all points and most of their intervals."""
    if not len(rows):
        return 0.0, 1.0
    low, high = rows.natural_accuracy.min(), rows.natural_accuracy.max()
    room = max(0.03, 0.1 * (high - low))
    return max(0.0, low - room), min(1.01, high + room)


def _points(rows: pd.DataFrame, name: str, colour: str, size: int, bars: float, wide: bool = True) -> go.Scatter:
    def error(column: str) -> dict:
        return {
            "type": "data",
            "symmetric": False,
            "array": rows[f"{column}_high"] - rows[column],
            "arrayminus": rows[column] - rows[f"{column}_low"],
            "color": f"rgba({','.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))},{bars})",
            "thickness": 1.2,
            "width": 0,
        }

    return go.Scatter(
        x=rows.natural_accuracy,
        y=rows.attack_accuracy,
        error_x=error("natural_accuracy") if wide else None,
        error_y=error("attack_accuracy"),
        mode="markers",
        name=name,
        marker={"size": size, "color": colour, "line": {"width": 1, "color": "white"}},
        customdata=np.column_stack(
            [
                rows.trial,
                rows.label,
                *(
                    rows[c].map("{:.1%}".format)
                    for column in ("natural_accuracy", "attack_accuracy")
                    for c in (f"{column}_low", f"{column}_high")
                ),
                rows.realised_area.map("{:.0%}".format),
            ]
        ),
        hovertemplate="%{customdata[1]}<br>natural %{x:.1%} [%{customdata[2]}, %{customdata[3]}]"
        "<br>attack %{y:.1%} [%{customdata[4]}, %{customdata[5]}]"
        "<br>%{customdata[6]} of the pixels erased<extra></extra>",
    )


SYMBOLS = {STOPPED: "circle-open", FEWER: "square-open", SMALLER: "triangle-down-open"}
"""Of the kinds of controls; those with another start have the last one."""
OTHER_SYMBOL = "star-open"


def _add_controls(figure: go.Figure, along: np.ndarray, controls: pd.DataFrame) -> None:
    """The undefended controls with their band, and the lowest of them as a line, above which nothing is gained."""
    if len(along):
        natural, lowest, low, high = along.T
        band = go.Scatter(
            x=[*natural, *natural[::-1]],
            y=[*high, *low[::-1]],
            fill="toself",
            fillcolor=CONTROL,
            opacity=0.12,
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
        )
        line = go.Scatter(
            x=natural,
            y=lowest,
            mode="lines",
            name="lowest control",
            line={"color": CONTROL, "width": 2, "dash": "dash"},
            hovertemplate="lowest control without defence<br>natural %{x:.1%}<br>attack %{y:.1%}<extra></extra>",
        )
        figure.add_trace(band, row=1, col=1)
        figure.add_trace(line, row=1, col=1)
    if len(controls):
        points = go.Scatter(
            x=controls.natural,
            y=controls.attack,
            mode="markers",
            name="controls",
            marker={
                "symbol": [SYMBOLS.get(kind, OTHER_SYMBOL) for kind in controls.kind],
                "size": 8,
                "color": CONTROL,
                "line": {"width": 1.5, "color": CONTROL},
            },
            customdata=controls[["kind", "name"]].to_numpy(),
            hovertemplate="no defence, %{customdata[0]}<br>%{customdata[1]}<br>natural %{x:.1%}<br>attack %{y:.1%}"
            "<extra></extra>",
        )
        figure.add_trace(points, row=1, col=1)


RING = 17
"""Diameter of a reference point's ring, in pixels."""


def _add_reference_points(figure: go.Figure, info: FrontInfo, left: float, right: float, strip: bool) -> None:
    """Rings around the reference points, with their names."""
    rows, (bottom, top) = info.references, Y_RANGE
    height = (HEIGHT - MARGIN["t"] - MARGIN["b"]) * (STRIP_HEIGHTS[0] * (1 - SPACING) if strip else 1.0)
    shares = [(value - bottom) / (top - bottom) for value in (*rows.attack_accuracy, *(v for _, v in info.baselines))]
    lines = [
        text_box(0.0, y - (LINE / height if value > HIGH_BASELINE else 0.0), text, height)
        for (text, value), y in zip(info.baselines, shares[len(rows) :], strict=True)
    ]
    across = (rows.natural_accuracy - left) / (right - left)
    places = place_labels(across.tolist(), shares[: len(rows)], rows.reference.tolist(), height, RING / 2, lines)
    rings = go.Scatter(
        x=rows.natural_accuracy,
        y=rows.attack_accuracy,
        mode="markers+text",
        name="reference points",
        marker={"symbol": "diamond-open", "size": RING, "color": REFERENCE, "line": {"width": 2}},
        text=["" if place.far else name for name, place in zip(rows.reference, places, strict=True)],
        textposition=[place.position for place in places] if places else None,
        textfont={"size": 11, "color": REFERENCE},
        hoverinfo="skip",
    )
    figure.add_trace(rings, row=1, col=1)
    names = zip(rows.natural_accuracy, rows.attack_accuracy, rows.reference, places, strict=True)
    add_far_labels(figure, list(names), REFERENCE, row=1, col=1)
