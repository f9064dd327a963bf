"""A further section of a report, made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go


@dataclass(frozen=True)
class Section:
    """A title, a paragraph that says what is seen and under which attack, budget, judge and seeds, and figures below
    each other, each under its caption if there are any."""

    title: str
    text: str
    figures: tuple[go.Figure, ...]
    captions: tuple[str, ...] = ()
