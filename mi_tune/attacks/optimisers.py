"""Optimisers that follow the gradient. None of them lets one candidate influence another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from mi_tune.attacks.parts import Constraint, Draw, Found, Latent, Mover, Passes, Variable
from mi_tune.attacks.retirement import Retire, RetirementWatch


class GradientRule:
    """What gradient optimisers say about themselves; see `mi_tune.attacks.parts.Optimiser`."""

    follows_gradients = True
    hard_labels_only = False
    extra_budget_in_steps = False

    def scaled(self, factor: int) -> Self:
        return self

    def passes(self, latent: Latent, people: int, candidates: int, steps: int) -> Passes:
        """Every evaluated latent is one forward and one backward pass."""
        evaluated = steps * latent.count(people, candidates)
        return Passes(evaluated, evaluated)


class _GradientMover:
    """What the gradient optimisers share: which rows still move, and where they may go."""

    follows_gradients = True

    def __init__(self, variable: Variable, constraint: Constraint, retire: Retire | None) -> None:
        self.variable = variable
        start = variable.parameters[0].clone()
        variable.constrain(constraint.around(start))
        self.watch = RetirementWatch(retire, len(start), start.device) if retire else None
        self.steps = 0

    def ask(self, random: torch.Generator) -> Draw:
        self.drawn = self.variable.draw(random)
        return self.drawn

    def tell(self, found: Found) -> None:
        assert found.gradient is not None
        rows = self.drawn.rows
        self.steps += 1
        for number, gradient in enumerate(self.variable.pull(found.gradient)):
            parameter = self.variable.parameters[number]
            parameter[rows] += self.change(number, gradient, rows)
        self.variable.settle()
        if self.watch is not None:
            self.variable.retire(self.watch.done(rows, found.loss, found.confidence))

    def change(self, number: int, gradient: Tensor, rows: Tensor) -> Tensor:
        """What to add to the rows of parameter `number`."""
        raise AttributeError(f"{type(self).__name__} does not say how to move")

    def result(self, random: torch.Generator) -> Tensor:
        return self.variable.result(random)


@dataclass(frozen=True)
class Adam(GradientRule):
    """Adam (Kingma and Ba, ICLR 2015). PPA uses betas of 0.1 and 0.1, which nearly forget earlier steps."""

    learning_rate: float = 0.05
    betas: tuple[float, float] = (0.1, 0.1)

    def start(self, start: Tensor, latent: Latent, constraint: Constraint, retire: Retire | None = None) -> Mover:
        return _Adam(self, latent.variable(start), constraint, retire)


class _Adam(_GradientMover):
    def __init__(self, rule: Adam, variable: Variable, constraint: Constraint, retire: Retire | None) -> None:
        super().__init__(variable, constraint, retire)
        self.rule = rule
        self.first = [torch.zeros_like(p) for p in self.variable.parameters]
        self.second = [torch.zeros_like(p) for p in self.variable.parameters]

    def change(self, number: int, gradient: Tensor, rows: Tensor) -> Tensor:
        # written out instead of torch.optim's: rows that are done stand still and cost nothing
        (a, b), first, second = self.rule.betas, self.first[number], self.second[number]
        first[rows] = a * first[rows] + (1 - a) * gradient
        second[rows] = b * second[rows] + (1 - b) * gradient**2
        mean, power = first[rows] / (1 - a**self.steps), second[rows] / (1 - b**self.steps)
        return -self.rule.learning_rate * mean / (power.sqrt() + 1e-8)


@dataclass(frozen=True)
class Momentum(GradientRule):
    """GMI's Nesterov-like rule: v' = m v - lr g; z += (1 + m) v' - m v."""

    learning_rate: float = 0.02
    momentum: float = 0.9

    def start(self, start: Tensor, latent: Latent, constraint: Constraint, retire: Retire | None = None) -> Mover:
        return _Momentum(self, latent.variable(start), constraint, retire)


class _Momentum(_GradientMover):
    def __init__(self, rule: Momentum, variable: Variable, constraint: Constraint, retire: Retire | None) -> None:
        super().__init__(variable, constraint, retire)
        self.rule = rule
        self.velocity = [torch.zeros_like(p) for p in self.variable.parameters]

    def change(self, number: int, gradient: Tensor, rows: Tensor) -> Tensor:
        m, velocity = self.rule.momentum, self.velocity[number]
        old = velocity[rows]
        velocity[rows] = new = m * old - self.rule.learning_rate * gradient
        return (1 + m) * new - m * old
