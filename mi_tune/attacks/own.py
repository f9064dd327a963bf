"""A user's own attack: a factory from a budget to an attack, by its import path."""

from __future__ import annotations

import sys
from dataclasses import fields, is_dataclass
from types import ModuleType
from typing import Any, ClassVar

from mi_tune.attacks.engine import Attack
from mi_tune.attacks.portfolio import Portfolio
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import OwnFactory


class AttackSource(OwnFactory):
    """A user's own attack, a function from `reduced` or `full` to an `Attack` or `Portfolio`: see `OwnFactory`."""

    kind: ClassVar[str] = "attack"


def own_attack(factory: str, budget: str, taken: frozenset[str]) -> Attack | Portfolio:
    """The attack of a user's factory at a budget.

    Args:
        factory: `package.module:factory` or `path/to/file.py:factory`. budget: `reduced` or `full`.
        taken: names that it may not have, because tables name attacks by them.

    Raises:
        InputError: it cannot be imported, fails, or returns something else than an attack of this budget with a name of
            its own.
    """
    source = AttackSource(factory)
    made = source.call(budget)
    if not isinstance(made, (Attack, Portfolio)):
        raise InputError(f"{source}: returns a {type(made).__name__}, not an Attack or a Portfolio (mi_tune.attacks)")
    if made.budget != budget:
        raise InputError(f"{source}: returns budget '{made.budget}' when asked for '{budget}'; pass the budget on")
    if made.name in taken:
        raise InputError(
            f"{source}: its name '{made.name}' is that of a preset; give it another: replace(..., name=...)"
        )
    return made


def own_modules(attack: Attack | Portfolio) -> tuple[ModuleType, ...]:
    """The modules of all parts that are not this project's, whose source text goes into cache keys."""
    found: dict[str, None] = {}

    def look(part: Any) -> None:
        if isinstance(part, (tuple, list)):
            for one in part:
                look(one)
        elif is_dataclass(part) and not isinstance(part, type):
            found[type(part).__module__] = None
            for field in fields(part):
                look(getattr(part, field.name))

    look(attack)
    return tuple(sys.modules[name] for name in found if name.partition(".")[0] != "mi_tune")
