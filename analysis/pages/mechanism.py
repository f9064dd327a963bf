"""Sections of the confirmation report on where reconstructions lie in feature space."""

from __future__ import annotations

import numpy as np

from analysis import figures
from analysis.pages.section import Section
from analysis.statistics.confirmation import Confirmation
from analysis.statistics.verdict import attack_name
from mi_tune.judging.features import FeatureTable
from mi_tune.judging.intervals import Estimate
from mi_tune.trial.mechanism import COMPARED_LAW, TARGET
from mi_tune.trial.point import UNDEFENDED

LAWS_WITH_PLANES = 3
"""Number of laws whose planes are drawn: no defence, the published law, and one that the search found."""


def mean_table(confirmation: Confirmation, point: str, attack: str) -> FeatureTable | None:
    """The feature measures of one attack on one law, averaged over seeds for each class.

    p-values are those of the first seed, because the other seeds use the same images. None if there are no measures.
    """
    if confirmation.features is None:
        return None
    table = confirmation.features
    rows = table[(table.point == point) & (table.attack == attack)]
    if not len(rows):
        return None
    keys = ["encoder", "class", "pair"]
    first = rows[rows.seed == rows.seed.min()].set_index(keys)
    numbers = [name for name in first.select_dtypes("number") if not name.endswith("_p") and name != "seed"]
    means = rows.groupby(keys, sort=False)[numbers].mean()
    return FeatureTable(first.assign(**means.reindex(first.index)).reset_index())


def ways(confirmation: Confirmation, attack: str, encoder: str) -> dict[str, Estimate]:
    """By law: position of an attack's reconstructions on the way from private (0) to erased images (1)."""
    found = {law.name: mean_table(confirmation, law.name, attack) for law in confirmation.laws}
    return {
        name: table.way_to_erased(encoder)
        for name, table in found.items()
        if table is not None and encoder in set(table.rows.encoder)
    }


def mechanism_sections(confirmation: Confirmation) -> tuple[Section, ...]:
    """One section per attack with the measures along the front, and one with planes; empty without measures."""
    table = confirmation.features
    if table is None or not len(table):
        return ()
    seeds = f"{confirmation.seeds} seed{'s' if confirmation.seeds > 1 else ''}"
    found = []
    for attack in dict.fromkeys(table.attack):
        tables = [(law.name, mean_table(confirmation, law.name, attack)) for law in confirmation.laws]
        summaries = [(name, one.summary()) for name, one in tables if one is not None]
        text = (
            f"Reconstructions by {attack_name(attack)} ({seeds}) are compared, class by class, with the private "
            f"training images and with their erased views (for no defence: erased by {COMPARED_LAW}). The comparison "
            "uses the features of the attacked model, and those of a network that took no part in training or attack. "
            f"Bars are 95% intervals over people. {_way_sentence(confirmation, attack)}"
        )
        figure = figures.plot_measures(figures.measures_info(summaries))
        found.append(Section(f"Feature space along the front: {attack_name(attack)}", text, (figure,)))
    shown = _views_to_draw(confirmation)
    if shown:
        names = tuple(f"{name}, attacked by {attack_name(attack)}" for name, attack in shown)
        text = (
            "Private images of the first classes, their erased views and their reconstructions, in the features of the "
            "attacked model (first seed). A plane shows only a small part of a space with many dimensions; the "
            "measures above use all of it."
        )
        drawn = tuple(
            figures.plot_feature_view(figures.feature_view_info(confirmation.views[which])) for which in shown
        )
        found.append(Section("Feature space in two dimensions", text, drawn, names))
    return tuple(found)


def _views_to_draw(confirmation: Confirmation) -> list[tuple[str, str]]:
    """The planes to draw: for each attack, no defence, the published law and the first law of the search."""
    own = [law.name for law in confirmation.laws if law.kind == "front"][:1]
    attacks = list(dict.fromkeys(attack for _, attack in confirmation.views))
    wanted = [(name, attack) for name in (UNDEFENDED, COMPARED_LAW, *own)[:LAWS_WITH_PLANES] for attack in attacks]
    return [which for which in wanted if which in confirmation.views]


def _way_sentence(confirmation: Confirmation, attack: str) -> str:
    """A sentence on the way from private to erased images, in each encoder, without and with an erasing law."""
    assert confirmation.features is not None
    parts = []
    for encoder in dict.fromkeys(confirmation.features.encoder):
        by_law = ways(confirmation, attack, encoder)
        plain = by_law.get(UNDEFENDED)
        erasing = [by_law[law.name] for law in confirmation.defended if law.name in by_law]
        known = [way for way in erasing if np.isfinite(way.value)]
        where = "the target's own features" if encoder == TARGET else f"the features of the {encoder}"
        if plain is not None and np.isfinite(plain.value) and known:
            low, high = min(way.value for way in known), max(way.value for way in known)
            parts.append(
                f"In {where}, on the way from private (0) to erased images (1), they are at {plain.value:.2f} "
                f"[{plain.low:.2f}, {plain.high:.2f}] without defence, and at {low:.2f} to {high:.2f} with a law that "
                "erases."
            )
    return " ".join(parts)
