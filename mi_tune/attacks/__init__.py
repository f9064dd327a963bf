"""Model-inversion attacks: one engine, its parts, and presets that are rows of parts.

Nothing here can import a judge, and no function here takes one.
"""

from mi_tune.attacks.engine import Attack, Reconstructions, Stage
from mi_tune.attacks.ground import Ground
from mi_tune.attacks.oracle import HardLabel, SoftLabel, WhiteBox, open_oracle
from mi_tune.attacks.portfolio import Portfolio
from mi_tune.attacks.presets import BUDGETS, PRESETS, make_attack

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
    "make_attack",
    "open_oracle",
]
