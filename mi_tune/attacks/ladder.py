"""The same attack with more to spend."""

from __future__ import annotations

from dataclasses import replace

from mi_tune.attacks.engine import Attack, Stage
from mi_tune.attacks.evolution import CMAES, Genetic
from mi_tune.attacks.latents import Gaussian
from mi_tune.attacks.portfolio import Portfolio
from mi_tune.attacks.repulsion import SphereRepulsion


def scaled(attack: Attack | Portfolio, factor: int, budget: str) -> Attack | Portfolio:
    """The attack at `factor` times its optimisation budget, under the name `budget`.

    Gradient attacks spend the square root of it on steps and the rest on candidates; where more candidates cost nothing
    (populations, sphere repulsion, a distribution per class), all of it goes into steps, and patience grows with them.
    What is returned per class and how it is chosen stay the same, so that attack
    accuracies compare.
    """
    if isinstance(attack, Portfolio):
        return replace(attack, budget=budget, members=tuple(scaled(m, factor, budget) for m in attack.members))
    root = round(factor**0.5)
    longer = any(
        isinstance(s.optimiser, (Genetic, CMAES, SphereRepulsion)) or isinstance(s.latent, Gaussian)
        for s in attack.stages
    )
    stages = tuple(_longer(s, factor if longer else root) for s in attack.stages)
    candidates = attack.candidates if longer else attack.candidates * (factor // root)
    return replace(attack, budget=budget, stages=stages, candidates=candidates)


def _longer(stage: Stage, factor: int) -> Stage:
    rule = stage.optimiser
    if isinstance(rule, SphereRepulsion):
        # else a candidate would be given up after as many steps as before
        rule = replace(rule, patience=rule.patience * factor)
    return replace(stage, steps=stage.steps * factor, optimiser=rule)
