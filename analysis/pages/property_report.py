"""The report and the terminal table of a property study."""

from __future__ import annotations

from pathlib import Path

import plotly.graph_objects as go
from rich import box
from rich.table import Table

from analysis.figures import plot_contrasts
from analysis.pages.settings import settings_text
from analysis.pages.template import render_page
from analysis.statistics.contrast import Contrast, PropertyRecord, load_property
from analysis.statistics.verdict import attack_name
from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.errors import InputError


def write_property_report(folder: Path | str) -> Path:
    """Write `report.html` into the folder of a property study, from the files of this folder alone.

    Raises:
        InputError: the folder is not a finished property study, or the report cannot be written.
    """
    record = load_property(folder)
    path = record.folder / "report.html"
    try:
        save_atomically(path, lambda p: p.write_text(render_property(record), encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot write the report ({error.strerror})") from error
    return path


def render_property(record: PropertyRecord) -> str:
    """The HTML text of the report."""
    figures: dict[str, go.Figure] = {"contrasts": plot_contrasts(record)}
    return render_page(
        "property.html.j2",
        figures,
        {"name": record.folder.name},
        styles=("confirm.css",),
        record=record,
        sentence=sentence(record),
        attacks=[attack_name(attack) for attack in record.config["attacks"]],
        rows=[_row(one, record) for one in record.contrasts],
        settings=settings_text(record.config),
    )


def sentence(record: PropertyRecord) -> str:
    """A sentence that names the treatments that leak significantly more or less than the base."""
    base = record.config["base"]
    significant = [one for one in record.contrasts if one.claim is not None and one.claim.significant]
    if not significant:
        return f"No training differs significantly from {base} in attack accuracy."
    parts = []
    for word, sign in (("higher", 1), ("lower", -1)):
        names = [
            one.name for one in significant if one.attack_change is not None and sign * one.attack_change.value > 0
        ]
        if names:
            parts.append(f"attack accuracy is significantly {word} for {', '.join(names)}")
    return f"Compared with {base}, {'; '.join(parts)}."


def property_table(record: PropertyRecord) -> Table:
    """The table of all trainings, for the terminal."""
    base = record.config["base"]
    table = Table(
        box=box.SIMPLE,
        caption=f"accuracies in percent with 95 % intervals over seeds and people; judge {record.judge}; "
        f"{record.seeds} seeds; changes: paired differences from '{base}', of the mean over all attacks for 'attack "
        "change'; p: of the attack change, corrected (Holm)",
        caption_justify="left",
    )
    table.add_column("training", overflow="fold")
    attacks = record.config["attacks"]
    for name in ("natural", *attacks, "natural change", "attack change", "p"):
        table.add_column(name, justify="right")
    for one in record.contrasts:
        cells = [_percent(one.attacks[name]) if name in one.attacks else "failed" for name in attacks]
        changes = [_percent(change, signed=True) for change in (one.natural_change, one.attack_change)]
        p = "" if one.claim is None else f"{one.claim.corrected:.2g}"
        table.add_row(one.name, _percent(one.natural), *cells, *changes, p)
    return table


def _percent(estimate: Estimate | None, signed: bool = False) -> str:
    if estimate is None:
        return ""
    value, low, high = (100 * part + 0.0 for part in estimate)
    # brackets are markup to rich
    return rf"{value:+.1f} \[{low:+.0f}, {high:+.0f}]" if signed else rf"{value:.1f} \[{low:.0f}, {high:.0f}]"


def _row(one: Contrast, record: PropertyRecord) -> dict:
    def number(estimate: Estimate | None, sign: str = "") -> dict | None:
        if estimate is None:
            return None
        value, low, high = (round(100 * part, 1) + 0.0 for part in estimate)
        interval = f"[{low:{sign}.0f}, {high:{sign}.0f}]"
        return {"value": estimate.value, "text": f"{value:{sign}.1f}", "interval": interval}

    return {
        "name": one.name,
        "base": one.name == record.config["base"],
        "natural": number(one.natural),
        "attacks": [number(one.attacks.get(attack)) for attack in record.config["attacks"]],
        "natural_change": number(one.natural_change, "+"),
        "attack_change": number(one.attack_change, "+"),
        "p": None if one.claim is None else f"{one.claim.corrected:.2g}",
        "significant": one.claim is not None and one.claim.significant,
    }
