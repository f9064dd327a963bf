"""Which attacks, at which budgets, standing on which prior."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from mi_tune.attacks import BUDGETS, PRESETS, Attack, Portfolio, make_attack
from mi_tune.attacks.presets import BLACK_BOX, ERASING_AWARE, PUBLISHED
from mi_tune.runtime.errors import InputError

GROUPS = {"all": PRESETS, "published": PUBLISHED, "black-box": BLACK_BOX, "erasing-aware": ERASING_AWARE}
"""Names that stand for several presets."""
PRIORS = ("eigenface", "dcgan", "wgan")


@dataclass(frozen=True)
class Attempt:
    """One attack on the model, and the kind of the shared prior that it stands on."""

    attack: Attack | Portfolio
    prior: str

    @property
    def prior_name(self) -> str:
        """What candidates are drawn from: the shared prior, or the ones that the attack trains for its target."""
        parts = self.attack.members if isinstance(self.attack, Portfolio) else (self.attack,)
        names = [self.prior if part.maker is None else f"own {type(part.maker).__name__}" for part in parts]
        return ", ".join(dict.fromkeys(names))


def plan_attempts(attacks: str, budgets: str, prior: str) -> list[Attempt]:
    """The attempts that comma lists of attacks (or `GROUPS`) and budgets ask for, budget by budget.

    An attack that needs a discriminator stands on `dcgan` where `prior` is without one.

    Raises:
        InputError: an unknown attack, group, budget or prior.
    """
    if prior not in PRIORS:
        raise InputError(f"unknown prior '{prior}'; choose from {', '.join(PRIORS)}")
    names: dict[str, None] = {}
    for name in _items(attacks, "--attack"):
        if name not in GROUPS and name not in PRESETS:
            near = difflib.get_close_matches(name, [*PRESETS, *GROUPS], n=3) or [*GROUPS, *PRESETS]
            raise InputError(f"unknown attack '{name}'; did you mean {', '.join(near)}?")
        names |= dict.fromkeys(GROUPS.get(name, [name]))
    levels = list(dict.fromkeys(_items(budgets, "--budget")))
    for level in levels:
        if level not in BUDGETS:
            raise InputError(f"unknown budget '{level}'; choose from {', '.join(BUDGETS)}")
    made = [make_attack(name, level) for level in levels for name in names]
    return [
        Attempt(attack, "dcgan" if attack.needs_discriminator and prior == "eigenface" else prior) for attack in made
    ]


def _items(text: str, option: str) -> list[str]:
    found = [item.strip() for item in text.split(",") if item.strip()]
    if not found:
        raise InputError(f"{option} is empty; give one name, or several with commas between")
    return found
