"""What all pages share: one offline HTML file from a template, styles, scripts, data and the chart library."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import plotly.graph_objects as go

from analysis.pages.chart_library import chart_library

HERE = Path(__file__).parent
SHARED = ("page", "shapes", "charts", "export", "tables")
"""Scripts of every page, from `script/`, in this order."""


def render_page(
    template: str,
    figures: Mapping[str, go.Figure],
    data: Mapping[str, Any] | None = None,
    scripts: Sequence[str] = (),
    styles: Sequence[str] = (),
    **values: Any,
) -> str:
    """The HTML text of a page. It loads nothing from elsewhere, and no text in it can become markup.

    Args:
        template: file in this folder. figures: by the name that the template draws them under. data: plain values for
            the scripts. scripts: further files of `script/`, without ending, after `SHARED`. styles: further style
            sheets, after `report.css`. values: what the template names.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    drawn = {name: json.loads(figure.to_json()) for name, figure in figures.items()}
    texts = [(HERE / "script" / f"{name}.js").read_text(encoding="utf-8") for name in (*SHARED, *scripts, "start")]
    return environment.get_template(template).render(
        plotly=chart_library(figures.values()) if figures else "",
        css="".join((HERE / name).read_text(encoding="utf-8") for name in ("report.css", *styles)),
        script="\n".join(texts),
        data=inside_script({"figures": drawn, **(data or {})}),
        **values,
    )


def inside_script(value: Any) -> str:
    """JSON that is safe inside a script element, whatever text it holds."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
