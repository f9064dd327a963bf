"""The report of the attacks on one model: one HTML file that works offline and can be shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.figures import attacks_info, plot_attacks
from analysis.pages.faces import shown_classes, sprite
from analysis.pages.settings import settings_text
from analysis.pages.template import render_page
from analysis.statistics.attacks import Attacks
from mi_tune.erasing import ErasingLaw
from mi_tune.erasing.wording import describe
from mi_tune.runtime.cache import save_atomically
from mi_tune.search.state import State


def write_attack_report(attacks: Attacks) -> Path:
    """Write report.html into the folder of the attacks. It shows faces only if examples.npz is in the folder."""
    page = render_attacks(attacks)
    path = attacks.folder / "report.html"
    shows_faces = attacks.examples() is not None
    save_atomically(path, lambda p: p.write_text(page, encoding="utf-8"), owner_only=shows_faces)
    return path


def render_attacks(attacks: Attacks) -> str:
    """The HTML text of the report."""
    law = attacks.config["law"]
    figure = plot_attacks(attacks_info(attacks)) if len(attacks.complete) else None
    return render_page(
        "attacks.html.j2",
        {"attacks": figure} if figure is not None else {},
        {"name": attacks.folder.name},
        config=attacks.config,
        headline=attack_headline(attacks),
        law="unknown" if law is None else describe(ErasingLaw.from_dict(law)),
        rows=[_row(attacks, row) for _, row in _ordered(attacks).iterrows()],
        strips=_strips(attacks),
        settings=settings_text(attacks.config),
    )


def attack_headline(attacks: Attacks) -> str:
    """One or two sentences that summarise the attacks."""
    complete = attacks.complete
    if not len(complete):
        return "No attack has completed yet."
    best = complete.iloc[0]
    text = (
        f"{len(complete)} attack{'s' if len(complete) > 1 else ''} completed on this model. The strongest, "
        f"{attacks.title(best)}, has an attack accuracy of {best.attack_accuracy:.1%} "
        f"[{best.attack_accuracy_low * 100:.0f}, {best.attack_accuracy_high * 100:.0f}]"
    )
    if not len(attacks.samples):
        return f"{text}. Chance is {attacks.chance:.1%}."
    return f"{text}. The best prior samples have {attacks.samples.attack_accuracy.max():.1%} without any optimisation."


def _ordered(attacks: Attacks) -> pd.DataFrame:
    """Completed attacks, the strongest first, then failed attacks, then baselines."""
    failed = attacks.table[attacks.table.state == State.FAILED]
    return pd.concat([attacks.complete, failed, attacks.table[attacks.table.state == "baseline"]])


def _row(attacks: Attacks, row: pd.Series) -> dict[str, Any]:
    return {name: None if pd.isna(value) else value for name, value in row.items()} | {"title": attacks.title(row)}


def _strips(attacks: Attacks) -> list[dict[str, Any]]:
    """Real images, prior samples and the best reconstructions of each attack, in the same order of people."""
    real = attacks.examples()
    if real is None:
        return []
    most = int(attacks.table.classes.max())
    shown = shown_classes(min(most, len(real)))
    strips = [_strip("real", real[shown], np.zeros(len(shown), int))]
    for table in (attacks.samples, attacks.complete):
        for _, row in table.iterrows():
            faces = attacks.faces(row)
            if faces is not None:
                own = shown[shown < len(faces.images)]
                name = f"{attacks.title(row)} ({row.attack_accuracy:.0%})"
                strips.append(_strip(name, faces.images[own, 0], faces.identified[own, 0].astype(int)))
    return strips


def _strip(name: str, images: np.ndarray, hits: np.ndarray) -> dict[str, Any]:
    return {"name": name, "uri": sprite(images), "hits": hits.tolist()}
