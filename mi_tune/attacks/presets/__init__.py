"""Presets: published attacks, and attacks adapted to Random Erasing, by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from mi_tune.attacks.budgets import scaled
from mi_tune.attacks.engine import Attack
from mi_tune.attacks.portfolio import Portfolio
from mi_tune.attacks.presets.black_box import brepmi, cmaes, lokt, mirror_blackbox
from mi_tune.attacks.presets.erasing_aware import (
    adaptive,
    clean_student,
    eot_re,
    eot_re_unknown,
    loss_portfolio,
    mixed_re,
    plgmi_re,
    re_selection,
    untrain_re,
    worst_view,
)
from mi_tune.attacks.presets.white_box import (
    gmi,
    gmi_fast,
    ifgmi,
    kedmi,
    lomma,
    lomma_ked,
    map_logit,
    mirror,
    paa,
    plgmi,
    ppa,
    ppa_fast,
    ppa_midre,
    ppdg,
    taa,
)
from mi_tune.runtime.errors import InputError

Preset = Callable[[str], Attack | Portfolio]

PUBLISHED: dict[str, Preset] = {
    preset.__name__: preset
    for preset in (gmi, kedmi, lomma, lomma_ked, plgmi, ppa, ppa_midre, ifgmi, mirror, ppdg, taa, paa)
}
OWN: dict[str, Preset] = {"map_logit": map_logit}
FAST: dict[str, Preset] = {preset.__name__: preset for preset in (gmi_fast, ppa_fast)}
BLACK_BOX: dict[str, Preset] = {preset.__name__: preset for preset in (mirror_blackbox, cmaes, brepmi, lokt)}
ERASING_AWARE: dict[str, Preset] = {
    preset.__name__: preset
    for preset in (
        *(eot_re, eot_re_unknown, mixed_re, worst_view, re_selection, plgmi_re),
        *(clean_student, untrain_re, loss_portfolio, adaptive),
    )
}
PRESETS: dict[str, Preset] = PUBLISHED | OWN | FAST | BLACK_BOX | ERASING_AWARE

MULTIPLES = {"4x": 4, "16x": 16}
"""Budgets that are multiples of the reduced one."""
BUDGETS = ("reduced", *MULTIPLES, "full")


def make_attack(name: str, budget: str) -> Attack | Portfolio:
    """The preset `name` at a budget.

    Args:
        budget: `reduced`, a multiple of it (`4x`, `16x`), or `full`, the published one.

    Raises:
        InputError: an unknown name or budget; the message offers similar names.
    """
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=3) or list(PRESETS)
        raise InputError(f"unknown attack '{name}'; did you mean {', '.join(near)}?")
    if budget not in BUDGETS:
        raise InputError(f"unknown budget '{budget}'; choose from {', '.join(BUDGETS)}")
    if budget in MULTIPLES:
        return scaled(PRESETS[name]("reduced"), MULTIPLES[budget], budget)
    return PRESETS[name](budget)
