"""Figure of the robust front: natural accuracy and accuracy of the strongest attack, with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.figures.labels import Place, add_far_labels, place_labels
from analysis.figures.look import DOMINATED, FRONT, INFEASIBLE, NEUTRAL, REFERENCE, layout
from analysis.statistics.attainment import AttainmentSurface
from analysis.statistics.evidence import Evidence
from analysis.statistics.shrinkage import Shrinkage
from analysis.statistics.verdict import short_attack_name
from mi_tune.defences.columns import described_treatment
from mi_tune.trial.point import LEFT_OUT, UNDEFENDED

POINT_COLUMNS = (
    *("name", "label", "kind", "natural", "natural_low", "natural_high", "attack", "attack_low", "attack_high"),
    *("strongest", "probability", "search_natural", "search_attack"),
)
HEIGHT, MARGIN = 620, {"t": 70, "b": 76}
"""Height of the figure and its upper and lower margin, in pixels."""
Y_RANGE = (-0.02, 1.03)


@dataclass(frozen=True)
class RobustFrontInfo:
    """Numbers of the figure, accuracies in [0, 1].

    points: one row per attacked point, with the columns `POINT_COLUMNS`. `probability` (to be on the front) and the
    accuracies in the search are NaN if unknown. surfaces: see `attainment_surfaces`. baselines: (label, accuracy).
    """

    points: pd.DataFrame
    surfaces: tuple[AttainmentSurface, ...]
    baselines: list[tuple[str, float]]
    judge: str


def robust_front_info(evidence: Evidence, shrunk: Shrinkage) -> RobustFrontInfo:
    confirmation = evidence.confirmation
    front = evidence.front
    on_front = dict(zip(front.names, front.probability, strict=True)) if front is not None else {}
    before = {row.law: row for row in shrunk.rows}
    rows = []
    for point in confirmation.points:
        strongest = evidence.strongest(point.name)
        if strongest is None:
            continue
        natural, attack = evidence.natural(point.name).estimate, strongest.drawn.estimate
        search = before.get(point.name)
        at_search = (np.nan, np.nan)
        if search is not None and search.natural.search is not None and search.attack.search is not None:
            at_search = (search.natural.search.value, search.attack.search.value)
        law = "" if point.is_control else f"<br>{described_treatment(point.treatment)}"
        values = (point.name, f"<b>{point.name}</b>{law}", point.kind, *natural, *attack)
        rows.append((*values, short_attack_name(strongest.attack), on_front.get(point.name, np.nan), *at_search))
    baselines = [("chance", confirmation.chance)]
    for name in confirmation.baselines:
        found = evidence.attack(UNDEFENDED, name)
        if found is not None:
            baselines.append((f"{name}, not optimised", found.value))
    baselines.append((f"{confirmation.headline.name} on real images", evidence.ceiling().value))
    return RobustFrontInfo(
        pd.DataFrame(rows, columns=list(POINT_COLUMNS)),
        front.surfaces if front is not None else (),
        baselines,
        confirmation.headline.name,
    )


def plot_robust_front(info: RobustFrontInfo) -> go.Figure:
    """Laws with both intervals, the band that contains the front, the search result of each law, and controls."""
    figure = go.Figure()
    _add_band(figure, info.surfaces)
    laws = info.points[~info.points.kind.isin(["stopped early", "augmentation", LEFT_OUT])]
    _add_search(figure, laws)
    left, right = _range(info.points)
    places = _label_places(laws, left, right)
    kinds = (
        (laws[laws.kind != "reference"], "laws of the search", FRONT, "circle", 13),
        (laws[laws.kind == "reference"], "reference points", REFERENCE, "diamond", 13),
        (info.points[info.points.kind == "stopped early"], "undefended, stopped early", DOMINATED, "square-open", 10),
        (info.points[info.points.kind == "augmentation"], "another augmentation", INFEASIBLE, "triangle-up-open", 11),
        (info.points[info.points.kind == LEFT_OUT], "a mix without one part", DOMINATED, "diamond-open", 10),
    )
    for rows, name, colour, symbol, size in kinds:
        if len(rows):
            figure.add_trace(_points(rows, name, colour, symbol, size, places))
            named = [(x, y, law, places[law]) for x, y, law in zip(rows.natural, rows.attack, rows["name"], strict=True)
                     if law in places]  # fmt: skip
            add_far_labels(figure, named, colour)
    for position, (label, value) in enumerate(sorted(info.baselines, key=lambda one: one[1])):
        figure.add_hline(
            y=value,
            line={"color": NEUTRAL, "width": 1, "dash": "dot"},
            annotation={"text": label, "font": {"size": 11, "color": NEUTRAL}},
            annotation_position=("top left", "top right")[position % 2] if value < 0.9 else "bottom left",
        )
    layout(
        figure,
        HEIGHT,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        hovermode="closest",
    )
    figure.update_layout(margin=MARGIN)
    figure.update_xaxes(title_text="natural accuracy on test images (more is better)", tickformat=".0%")
    figure.update_xaxes(range=[left, right])
    figure.update_yaxes(
        title_text=f"accuracy of the strongest attack (judge {info.judge}; less is better)",
        title_font_size=12,
        tickformat=".0%",
        range=Y_RANGE,
    )
    return figure


def _range(points: pd.DataFrame) -> list[float]:
    """Range of the horizontal axis, with room for all points and most of their intervals."""
    values = pd.concat([points.natural, points.search_natural.dropna()])
    if not len(values):
        return [0.0, 1.0]
    room = max(0.03, 0.12 * (values.max() - values.min()))
    return [max(0.0, values.min() - room), min(1.01, values.max() + room)]


def _add_band(figure: go.Figure, surfaces: Sequence[AttainmentSurface]) -> None:
    """The band between the outer attainment surfaces, and the middle one as a line."""
    if not surfaces:
        return
    ordered = sorted(surfaces, key=lambda surface: surface.level)
    first, middle, last = ordered[0], ordered[len(ordered) // 2], ordered[-1]
    figure.add_trace(
        go.Scatter(
            x=np.concatenate([first.natural, last.natural[::-1]]),
            y=np.concatenate([first.attack, last.attack[::-1]]),
            mode="lines",
            line={"width": 0},
            fill="toself",
            fillcolor="rgba(11, 112, 114,0.12)",
            name=f"{last.level - first.level:.0%} band of the front",
            hoverinfo="skip",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=middle.natural,
            y=middle.attack,
            mode="lines",
            line={"color": FRONT, "width": 2},
            opacity=0.4,
            hoverinfo="skip",
            showlegend=False,
        )
    )


def _add_search(figure: go.Figure, laws: pd.DataFrame) -> None:
    """A faint ring at the search result of each law, and a line from it to the confirmed point."""
    known = laws[laws.search_natural.notna()]
    if not len(known):
        return
    gap = np.full(len(known), np.nan)
    figure.add_trace(
        go.Scatter(
            x=np.column_stack([known.search_natural, known.natural, gap]).ravel(),
            y=np.column_stack([known.search_attack, known.attack, gap]).ravel(),
            mode="lines",
            line={"color": NEUTRAL, "width": 1},
            opacity=0.45,
            hoverinfo="skip",
            showlegend=False,
        )
    )
    figure.add_trace(
        go.Scatter(
            x=known.search_natural,
            y=known.search_attack,
            mode="markers",
            name="in the search",
            opacity=0.6,
            marker={"symbol": "circle-open", "size": 9, "color": NEUTRAL, "line": {"width": 1.5}},
            customdata=known[["label"]],
            hovertemplate="%{customdata[0]}<br>in the search: natural %{x:.1%} (val), attack %{y:.1%}<extra></extra>",
        )
    )


def _label_places(laws: pd.DataFrame, left: float, right: float) -> dict[str, Place]:
    """Where the name of each law stands. left, right: ends of the horizontal axis."""
    across = (laws.natural - left) / (right - left)
    up = (laws.attack - Y_RANGE[0]) / (Y_RANGE[1] - Y_RANGE[0])
    height = HEIGHT - MARGIN["t"] - MARGIN["b"]
    names = laws["name"].tolist()
    return dict(zip(names, place_labels(across.tolist(), up.tolist(), names, height, 8.0), strict=True))


def _points(
    rows: pd.DataFrame, name: str, colour: str, symbol: str, size: int, places: Mapping[str, Place]
) -> go.Scatter:
    def error(column: str, strength: float) -> dict:
        return {
            "type": "data",
            "symmetric": False,
            "array": rows[f"{column}_high"] - rows[column],
            "arrayminus": rows[column] - rows[f"{column}_low"],
            "color": f"rgba({','.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))},{strength})",
            "thickness": 1.2,
            "width": 0,
        }

    chances = ["" if np.isnan(p) else f"<br>on the front in {p:.0%} of the draws" for p in rows.probability]
    intervals = [
        rows[f"{column}_{end}"].map("{:.1%}".format) for column in ("natural", "attack") for end in ("low", "high")
    ]
    return go.Scatter(
        x=rows.natural,
        y=rows.attack,
        error_x=error("natural", 0.25),
        error_y=error("attack", 0.45),
        mode="markers+text",
        name=name,
        text=[name if name in places and not places[name].far else "" for name in rows["name"]],
        textposition=[places[name].position if name in places else "top right" for name in rows["name"]],
        textfont={"size": 11, "color": colour},
        marker={"symbol": symbol, "size": size, "color": colour, "line": {"width": 1.5 if "open" in symbol else 1}},
        customdata=np.column_stack([rows.label, *intervals, rows.strongest, chances]),
        hovertemplate="%{customdata[0]}<br>natural %{x:.1%} [%{customdata[1]}, %{customdata[2]}]"
        "<br>attack %{y:.1%} [%{customdata[3]}, %{customdata[4]}] by %{customdata[5]}%{customdata[6]}<extra></extra>",
    )
