"""Presets: published attacks, and attacks adapted to Random Erasing, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from mi_tune.attacks.budgets import scaled, shrunk
from mi_tune.attacks.engine import Attack
from mi_tune.attacks.own import own_attack
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
from mi_tune.runtime.kinds import BUDGETS
from mi_tune.runtime.wording import did_you_mean

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


def make_attack(name: str, budget: str) -> Attack | Portfolio:
    """An attack by name at a budget.

    Args:
        name: of a preset; or a user's own factory of an attack, `package.module:factory` or `path/to/file.py:factory`.
        budget: `reduced`, a multiple of it (`4x`, `16x`), `full`, the published one, or `twin`, the least.

    Raises:
        InputError: an unknown name or budget, where the message offers similar names; or see `own_attack`.
    """
    check_attack_name(name)
    if budget not in BUDGETS:
        raise InputError(f"unknown budget '{budget}'; choose from {', '.join(BUDGETS)}")
    preset = PRESETS.get(name) or partial(own_attack, name, taken=frozenset(PRESETS))
    if budget in MULTIPLES:
        return scaled(preset("reduced"), MULTIPLES[budget], budget)
    if budget == "twin":
        return shrunk(preset("reduced"), budget)
    return preset(budget)


def check_attack_name(name: str, others: Iterable[str] = ()) -> None:
    """Raise InputError unless `name` is a preset, one of `others`, or the import path of a factory."""
    known = [*PRESETS, *others]
    if ":" not in name and name not in known:
        raise InputError(f"unknown attack '{name}'; {did_you_mean(name, [*others, *PRESETS])}")


def split_budget(attack: str) -> tuple[str, str]:
    """The name and the budget of `name:budget`; without a budget, `reduced`. A name may be an import path.

    Raises InputError for a preset with an unknown budget.
    """
    name, _, budget = attack.rpartition(":")
    if budget in BUDGETS:
        return name, budget
    if name in PRESETS:
        raise InputError(f"attack '{attack}': unknown budget '{budget}'; choose from {', '.join(BUDGETS)}")
    return attack, "reduced"


def short_name(name: str) -> str:
    """The name of an attack without the path of its file or package."""
    return name.rpartition(":")[2]
