"""A further section of the confirmation report, made by another module."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go


@dataclass(frozen=True)
class Section:
    """A section of a report.

    text: a paragraph that explains the figures and names attack, budget, judge and seeds. captions: a heading for each
    figure, or none.
    """

    title: str
    text: str
    figures: tuple[go.Figure, ...]
    captions: tuple[str, ...] = ()
