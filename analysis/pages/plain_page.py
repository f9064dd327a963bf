"""An offline page with figures only, to compare several studies; `report` writes the report of one study."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from mi_tune.runtime.errors import InputError

STYLE = "body{font:16px system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem}"


def write_plain_page(path: Path, title: str, text: str, drawn: Mapping[str, go.Figure]) -> None:
    """Write a page with a title, a text, and figures by heading. Raises InputError if the file cannot be written."""
    parts = [
        f"<h2>{escape(heading)}</h2>"
        + figure.to_html(
            full_html=False,
            include_plotlyjs=number == 0,
            config={"showSendToCloud": False, "displaylogo": False, "responsive": True},
        )
        for number, (heading, figure) in enumerate(drawn.items())
    ]
    page = (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(title)}</title><style>{STYLE}</style>"
        f"<h1>{escape(title)}</h1><p>{escape(text)}</p>{''.join(parts)}</html>"
    )
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--page {path}: cannot write the page ({error.strerror})") from error
