"""Attempts: which attacks are run on a target, at which budgets and with which prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mi_tune.attacks import BUDGETS, PRESETS, Attack, Portfolio, make_attack, split_budget
from mi_tune.attacks.presets import BLACK_BOX, ERASING_AWARE, PUBLISHED, check_attack_name
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import checked_factory
from mi_tune.runtime.kinds import PUBLIC_PRIORS

PRESET_GROUPS = {"all": PRESETS, "published": PUBLISHED, "black-box": BLACK_BOX, "erasing-aware": ERASING_AWARE}
"""Names for groups of presets."""


@dataclass(frozen=True)
class Attempt:
    """One attack at one budget, and the kind of the shared prior that it uses."""

    attack: Attack | Portfolio
    prior: str

    @property
    def prior_name(self) -> str:
        """The prior that candidates are drawn from: the shared one, or those that the attack trains for its target."""
        parts = self.attack.members if isinstance(self.attack, Portfolio) else (self.attack,)
        names = [self.prior if part.maker is None else f"own {type(part.maker).__name__}" for part in parts]
        return ", ".join(dict.fromkeys(names))


def plan_attempts(attacks: str, budgets: str, prior: str) -> list[Attempt]:
    """Make the attempts of all attacks at all budgets, budget by budget.

    Args:
        attacks: comma-separated presets, `PRESET_GROUPS`, or import paths of own attacks.
        budgets: comma-separated budgets.
        prior: one of `PUBLIC_PRIORS`. An attack that needs a discriminator uses `dcgan` if `prior` has none.

    Raises:
        InputError: an unknown attack, group, budget or prior, or an empty list.
    """
    if prior not in PUBLIC_PRIORS:
        raise InputError(f"unknown prior '{prior}'; choose from {', '.join(PUBLIC_PRIORS)}")
    names: dict[str, None] = {}
    for name in _items(attacks, "--attack"):
        name = checked_name(name)
        check_attack_name(name, PRESET_GROUPS)
        names |= dict.fromkeys(PRESET_GROUPS.get(name, [name]))
    chosen_budgets = list(dict.fromkeys(_items(budgets, "--budget")))
    for budget in chosen_budgets:
        if budget not in BUDGETS:
            raise InputError(f"unknown budget '{budget}'; choose from {', '.join(BUDGETS)}")
    made = [make_attack(name, budget) for budget in chosen_budgets for name in names]
    return [
        Attempt(attack, "dcgan" if attack.needs_discriminator and prior == "eigenface" else prior) for attack in made
    ]


def attempt_of(attack: str, prior: str) -> Attempt:
    """The attack `name:budget`, or `name` at the reduced budget, with a prior. Raises InputError if unknown."""
    (attempt,) = plan_attempts(*split_budget(attack), prior)
    return attempt


def check_attacks(attacks: Sequence[str]) -> tuple[str, ...]:
    """The attacks as `name:budget`, without duplicates. Raises InputError for an unknown name or budget."""
    written = []
    for attack in attacks:
        name, budget = split_budget(attack)
        name = checked_name(name)
        make_attack(name, budget)
        written.append(f"{name}:{budget}")
    return tuple(dict.fromkeys(written))


def checked_name(name: str) -> str:
    """The name of an attack; if it is an own factory in a file, with the file's absolute path. Raises InputError."""
    if ":" not in name:
        return name
    try:
        return checked_factory(name)
    except ValueError as error:
        raise InputError(f"attack {error}") from error


def _items(text: str, option: str) -> list[str]:
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise InputError(f"{option} is empty; give one name, or several separated by commas")
    return items
