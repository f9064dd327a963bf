"""Figure: accuracy of each attack on one model, with intervals and baselines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.figures.look import NEUTRAL, SERIES, layout
from analysis.statistics.attacks import Attacks

ACCESS_COLOURS = dict(zip(("white-box", "soft-label", "hard-label"), SERIES, strict=False))


@dataclass(frozen=True)
class AttacksInfo:
    """Completed attacks, the weakest first, with a column `title`; baselines: (label, attack accuracy)."""

    rows: pd.DataFrame
    baselines: list[tuple[str, float]]


def attacks_info(attacks: Attacks) -> AttacksInfo:
    rows = attacks.complete.iloc[::-1]
    baselines = [("chance", attacks.chance)]
    baselines += [(f"best {row.prior} samples", float(row.attack_accuracy)) for _, row in attacks.samples.iterrows()]
    judge = attacks.config["judge"]
    baselines.append(("judge on real held-out images", judge["held_out_accuracy"]))
    return AttacksInfo(rows.assign(title=[attacks.title(row) for _, row in rows.iterrows()]), baselines)


def plot_attacks(info: AttacksInfo) -> go.Figure:
    """One bar per attack: its accuracy with its interval, coloured by the access to the target."""
    figure = go.Figure()
    for access, colour in ACCESS_COLOURS.items():
        rows = info.rows[info.rows.access == access]
        if not len(rows):
            continue
        texts = [rows[name].map("{:.1%}".format) for name in ("attack_accuracy_low", "attack_accuracy_high")]
        figure.add_trace(
            go.Bar(
                x=rows.attack_accuracy,
                y=rows.title,
                orientation="h",
                name=access,
                marker={"color": colour, "opacity": 0.75},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": rows.attack_accuracy_high - rows.attack_accuracy,
                    "arrayminus": rows.attack_accuracy - rows.attack_accuracy_low,
                    "color": NEUTRAL,
                    "thickness": 1.5,
                    "width": 4,
                },
                customdata=np.column_stack([*texts, rows.forward_passes, rows.backward_passes]),
                hovertemplate="<b>%{y}</b><br>attack accuracy %{x:.1%} [%{customdata[0]}, %{customdata[1]}]"
                "<br>%{customdata[2]:,} forward passes, %{customdata[3]:,} backward passes<extra></extra>",
            )
        )
    for position, (label, value) in enumerate(sorted(info.baselines, key=lambda one: one[1])):
        figure.add_vline(
            x=value,
            line={"color": NEUTRAL, "width": 1, "dash": "dot"},
            annotation={"text": label, "font": {"size": 11, "color": NEUTRAL}, "yshift": 14 * (1 + position % 3)},
            annotation_position="top right" if value < 0.5 else "top left",
        )
    layout(
        figure,
        150 + 34 * len(info.rows),
        legend={"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom", "x": 0},
        hovermode="closest",
        bargap=0.35,
    )
    figure.update_layout(margin={"t": 72, "l": 40, "b": 90})
    figure.update_xaxes(title_text="attack accuracy", tickformat=".0%", range=[0, 1.02])
    # order the bars by row, not by trace
    figure.update_yaxes(automargin=True, ticks="", categoryorder="array", categoryarray=list(info.rows.title))
    return figure
