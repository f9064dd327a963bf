"""Where reconstructions lie in feature space, along the front: the sections of the report that show it."""

from __future__ import annotations

import numpy as np

from analysis import figures
from analysis.pages.section import Section
from analysis.statistics.confirmation import Confirmation
from analysis.statistics.verdict import full_title
from mi_tune.judging.features import FeatureTable
from mi_tune.judging.intervals import Estimate
from mi_tune.trial.mechanism import COMPARED, TARGET
from mi_tune.trial.point import UNDEFENDED

SHOWN = 3
"""Laws whose plane is drawn: without defence, the published one, and one that the search found."""


def mean_table(confirmation: Confirmation, point: str, attack: str) -> FeatureTable | None:
    """The measures of one attack on one law, every class a mean over seeds; p-values are the first seed's, for those of
    other seeds rest on the same images. None where the attack failed or was not looked at."""
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
    """How much of the way from private to erased images an attack's reconstructions have gone, by law."""
    found = {law.name: mean_table(confirmation, law.name, attack) for law in confirmation.laws}
    return {
        name: table.way_to_erased(encoder)
        for name, table in found.items()
        if table is not None and encoder in set(table.rows.encoder)
    }


def mechanism_sections(confirmation: Confirmation) -> tuple[Section, ...]:
    """One section an attack with the measures along the front, and one with planes; nothing without the analysis."""
    table = confirmation.features
    if table is None or not len(table):
        return ()
    seeds = f"{confirmation.seeds} seed{'s' if confirmation.seeds > 1 else ''}"
    found = []
    for attack in dict.fromkeys(table.attack):
        tables = [(law.name, mean_table(confirmation, law.name, attack)) for law in confirmation.laws]
        summaries = [(name, one.summary()) for name, one in tables if one is not None]
        text = (
            f"Reconstructions by {full_title(attack)}, {seeds}, compared class by class with the private training "
            f"images and with their erased views (without defence: erased by {COMPARED}), in the attacked model's own "
            "features and in those of a network without part in training or attack. Bars: 95% over people. "
            f"{_said(confirmation, attack)}"
        )
        figure = figures.plot_measures(figures.measures_info(summaries))
        found.append(Section(f"Feature space along the front: {full_title(attack)}", text, (figure,)))
    shown = _shown(confirmation)
    if shown:
        names = tuple(f"{name}, attacked by {full_title(attack)}" for name, attack in shown)
        text = (
            "The first classes' private images, their erased views and reconstructions in the attacked model's "
            "features, first seed. A plane shows little of a space of many dimensions; the measures use all of it."
        )
        drawn = tuple(
            figures.plot_feature_view(figures.feature_view_info(confirmation.views[which])) for which in shown
        )
        found.append(Section("Feature space, a look", text, drawn, names))
    return tuple(found)


def _shown(confirmation: Confirmation) -> list[tuple[str, str]]:
    """Of each attack: no defence, the published law, and the first law of the search."""
    own = [law.name for law in confirmation.laws if law.kind == "front"][:1]
    attacks = list(dict.fromkeys(attack for _, attack in confirmation.views))
    wanted = [(name, attack) for name in (UNDEFENDED, COMPARED, *own)[:SHOWN] for attack in attacks]
    return [which for which in wanted if which in confirmation.views]


def _said(confirmation: Confirmation, attack: str) -> str:
    """The way from private to erased images in words, in each encoder: without defence, and with a law that erases."""
    assert confirmation.features is not None
    parts = []
    for encoder in dict.fromkeys(confirmation.features.encoder):
        by_law = ways(confirmation, attack, encoder)
        plain = by_law.get(UNDEFENDED)
        erasing = [by_law[law.name] for law in confirmation.defended if law.name in by_law]
        known = [way for way in erasing if np.isfinite(way.value)]
        where = "the target's own features" if encoder == TARGET else f"the {encoder}'s features"
        if plain is not None and np.isfinite(plain.value) and known:
            low, high = min(way.value for way in known), max(way.value for way in known)
            parts.append(
                f"in {where} they have gone {plain.value:.2f} [{plain.low:.2f}, {plain.high:.2f}] of the way from "
                f"private (0) to erased images (1) without defence, and {low:.2f} to {high:.2f} with one"
            )
    return f"{'; '.join(parts)[:1].upper()}{'; '.join(parts)[1:]}." if parts else ""
