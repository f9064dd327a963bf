"""Model-inversion attacks: one engine, its parts, and presets that are rows of parts.

Nothing here can import a judge, and no function here takes one.
"""

import importlib
import pkgutil
from types import ModuleType

from mi_tune.attacks import makers, students
from mi_tune.attacks.engine import Attack, Reconstructions, Stage
from mi_tune.attacks.ground import Ground
from mi_tune.attacks.oracle import HardLabel, SoftLabel, WhiteBox, open_oracle
from mi_tune.attacks.portfolio import Portfolio
from mi_tune.attacks.presets import BUDGETS, PRESETS, make_attack


def code_of(attack: Attack | Portfolio) -> tuple[ModuleType, ...]:
    """The code that decides what an attack returns beside its parts: a result of other code must not be found again.

    Presets are not among it, for they are nothing but parts.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "presets")
    own = [importlib.import_module(f"{__name__}.{name}") for name in names]
    members = attack.members if isinstance(attack, Portfolio) else (attack,)
    trained = makers.CODE if any(member.maker for member in members) else ()
    return (*own, *students.CODE, *trained)


__all__ = [
    "BUDGETS",
    "PRESETS",
    "Attack",
    "Ground",
    "HardLabel",
    "Portfolio",
    "Reconstructions",
    "SoftLabel",
    "Stage",
    "WhiteBox",
    "code_of",
    "make_attack",
    "open_oracle",
]
