"""The same attack with more to spend."""

from __future__ import annotations

from dataclasses import replace

from mi_tune.attacks.engine import Attack
from mi_tune.attacks.evolution import CMAES, Genetic
from mi_tune.attacks.portfolio import Portfolio
from mi_tune.attacks.repulsion import SphereRepulsion


def scaled(attack: Attack | Portfolio, factor: int, budget: str) -> Attack | Portfolio:
    """The attack at `factor` times its optimisation budget, under the name `budget`.

    Gradient attacks spend the square root of it on steps and the rest on candidates; populations spend all of it on
    steps, sphere repulsion too. What is returned per class and how it is chosen stay the same, so that attack
    accuracies compare.
    """
    if isinstance(attack, Portfolio):
        return replace(attack, budget=budget, members=tuple(scaled(m, factor, budget) for m in attack.members))
    root = round(factor**0.5)
    searches = any(isinstance(s.optimiser, (Genetic, CMAES, SphereRepulsion)) for s in attack.stages)
    stages = tuple(replace(s, steps=s.steps * (factor if searches else root)) for s in attack.stages)
    candidates = attack.candidates if searches else attack.candidates * (factor // root)
    return replace(attack, budget=budget, stages=stages, candidates=candidates)
