"""Model-inversion attacks: one engine, the parts of an attack, and presets that are rows of parts.

Nothing in this package imports a judge, and no function in it takes one.
"""

import importlib
import pkgutil
from types import ModuleType

from mi_tune.attacks import makers, students
from mi_tune.attacks.engine import Attack, Stage
from mi_tune.attacks.ground import Ground
from mi_tune.attacks.oracle import HardLabel, SoftLabel, WhiteBox, open_oracle
from mi_tune.attacks.own import own_modules
from mi_tune.attacks.portfolio import Portfolio
from mi_tune.attacks.presets import BUDGETS, PRESETS, make_attack, split_budget
from mi_tune.attacks.reconstructions import Reconstructions
from mi_tune.nets import features


def code_of(attack: Attack | Portfolio) -> tuple[ModuleType, ...]:
    """The modules that decide what an attack returns, beside its parts; for cache keys.

    Presets are left out, because an attack's description lists all of their parts. Contracts only check parts.
    """
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in ("presets", "contracts"))
    own = [importlib.import_module(f"{__name__}.{name}") for name in names]
    trained = makers.CODE if any(member.maker for member in attack.members) else ()
    return (*own, features, *students.CODE, *trained, *own_modules(attack))


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
    "split_budget",
]
