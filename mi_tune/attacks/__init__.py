"""Model-inversion attacks: one engine, its parts, and presets that are rows of parts.

Nothing here can import a judge, and no function here takes one.
"""

from mi_tune import augment, erasing
from mi_tune.attacks import (
    batching,
    constraints,
    engine,
    evolution,
    ground,
    inits,
    latents,
    losses,
    makers,
    objective,
    optimisers,
    oracle,
    portfolio,
    repulsion,
    selection,
    students,
    tuning,
    views,
)
from mi_tune.attacks.engine import Attack, Reconstructions, Stage
from mi_tune.attacks.ground import Ground
from mi_tune.attacks.oracle import HardLabel, SoftLabel, WhiteBox, open_oracle
from mi_tune.attacks.portfolio import Portfolio
from mi_tune.attacks.presets import BUDGETS, PRESETS, make_attack

CODE = (
    *(engine, portfolio, oracle, ground, batching, constraints, evolution, inits, latents, losses, makers, objective),
    *(optimisers, repulsion, selection, students, tuning, views, augment, erasing),
)
"""The code that decides what an attack of given parts returns: a stored result of other code is not found again."""

__all__ = [
    "BUDGETS",
    "CODE",
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
