"""The same attack at a larger or at the least budget."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

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


TWIN_STEPS = 3
"""Steps of each stage at the budget `twin`."""
TWIN_UPDATES = 10
"""Updates of a network that an attack trains or tunes at the budget `twin`."""


def shrunk(attack: Attack | Portfolio, budget: str) -> Attack | Portfolio:
    """The attack with all its parts, each at the least size: it shows that they work together, and nothing more.

    At most 3 steps a stage, 2 candidates, images and views, 10 updates of a GAN or of a tuned prior, and one epoch of a
    student.
    """
    if isinstance(attack, Portfolio):
        members = tuple(_shrunk(m, budget) for m in attack.members)
        return replace(attack, budget=budget, members=members, keep=min(attack.keep, 2))
    return _shrunk(attack, budget)


def _shrunk(attack: Attack, budget: str) -> Attack:
    changes: dict[str, Any] = {
        "stages": tuple(replace(stage, steps=min(stage.steps, TWIN_STEPS)) for stage in attack.stages),
        "candidates": min(attack.candidates, 2),
        "merge": 1,
        "keep": min(attack.keep, 2),
        "views": attack.views[:2],
    }
    if attack.tuning is not None:
        changes["tuning"] = replace(attack.tuning, steps=TWIN_UPDATES)
    for name in ("selection", "init", "models", "maker"):
        changes[name] = _least(getattr(attack, name))
    return replace(attack, budget=budget, **changes)


def _least(part: Any) -> Any:
    """A part with few views, draws and images, whose networks learn little; a part without such fields as it is."""
    if part is None:
        return part
    least = {"count": 2, "draws": 0, "per_class": 4}
    known = {field.name for field in fields(part)}
    wanted: dict[str, Any] = {name: value for name, value in least.items() if name in known}
    if "recipe" in known:
        learnt = {"steps": TWIN_UPDATES} if hasattr(part.recipe, "steps") else {"epochs": 1}
        wanted["recipe"] = replace(part.recipe, **learnt)
    return replace(part, **wanted) if wanted else part
