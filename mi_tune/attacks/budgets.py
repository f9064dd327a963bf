"""The same attack at a larger budget."""

from __future__ import annotations

from dataclasses import replace

from mi_tune.attacks.engine import Attack
from mi_tune.attacks.portfolio import Portfolio


def scaled(attack: Attack | Portfolio, factor: int, budget: str) -> Attack | Portfolio:
    """The attack with `factor` times the passes in its optimisation, under the name `budget`.

    Gradient attacks spend the square root of the factor on steps and the rest on candidates. If a part of the attack
    says that its extra budget goes into steps alone (`extra_budget_in_steps`: populations, sphere repulsion, a
    distribution per person), all of it does. That of an attack with `extra_budget_in_averages` goes into candidates
    that are averaged. Each optimiser adapts to the larger number of steps (`scaled`). What is returned per person and
    how it is chosen stay the same, so that attack accuracies can be compared.

    Args:
        factor: a square number, so that steps and candidates are whole.
    """
    if isinstance(attack, Portfolio):
        return replace(attack, budget=budget, members=tuple(_scaled(m, factor, budget) for m in attack.members))
    return _scaled(attack, factor, budget)


def _scaled(attack: Attack, factor: int, budget: str) -> Attack:
    if attack.extra_budget_in_averages:
        return replace(attack, budget=budget, candidates=attack.candidates * factor, merge=attack.merge * factor)
    in_steps = any(s.optimiser.extra_budget_in_steps or s.latent.extra_budget_in_steps for s in attack.stages)
    longer = factor if in_steps else round(factor**0.5)
    stages = tuple(
        replace(stage, steps=stage.steps * longer, optimiser=stage.optimiser.scaled(longer)) for stage in attack.stages
    )
    return replace(attack, budget=budget, stages=stages, candidates=attack.candidates * (factor // longer))
