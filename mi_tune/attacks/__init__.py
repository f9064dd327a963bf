"""Model-inversion attacks: one engine, its parts, and presets that are rows of parts.

Nothing here can import a judge, and no function here takes one.
"""

from mi_tune.attacks.engine import Attack, Reconstructions
from mi_tune.attacks.oracle import WhiteBox
from mi_tune.attacks.presets import PRESETS, make_attack

__all__ = ["PRESETS", "Attack", "Reconstructions", "WhiteBox", "make_attack"]
