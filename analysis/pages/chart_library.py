"""The chart library inside a page: plotly.js, reduced to what reports draw."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

REDUCED = Path(__file__).parent / "plotly" / "plotly-basic.min.js"
"""The partial bundle; `ORIGIN.md` beside it says where it comes from."""
KINDS = {"scatter", "bar", "pie"}
"""Kinds of traces that the partial bundle draws."""


def chart_library(figures: Iterable[go.Figure]) -> str:
    """JavaScript that draws these figures: the partial bundle where it can, else all of plotly.js."""
    drawn = {trace.type for figure in figures for trace in figure.data}
    return REDUCED.read_text(encoding="utf-8") if drawn <= KINDS else get_plotlyjs()
