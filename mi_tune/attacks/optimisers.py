"""How latents move: rules that follow the gradient. No rule mixes candidates.

Every rule's `start` gives a mover. The engine asks it for latents, evaluates them, and tells it what it found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from mi_tune.attacks.constraints import Clamp, Free, L1Ball
from mi_tune.attacks.latents import Draw, Gaussian, GaussianVariable, Point, PointVariable

Constraint = Free | Clamp | L1Ball


class Found(NamedTuple):
    """Of the latents that were asked for: loss (m,), the target's confidence in the class (m,), gradient (m, dim)."""

    loss: Tensor
    confidence: Tensor
    gradient: Tensor | None


class Mover(Protocol):
    gradient: bool
    """Whether it needs the gradient."""

    def ask(self, random: torch.Generator) -> Draw:
        """Latents to evaluate; none when every candidate is done."""

    def tell(self, found: Found) -> None:
        """What became of them."""

    def result(self, random: torch.Generator) -> Tensor:
        """Latents (classes, candidates, dim)."""


@dataclass(frozen=True)
class Retire:
    """Stop moving a candidate once the target is sure of it.

    confidence: of the views of one step, for `patience` steps in a row. The time goes to those that still need it.
    """

    confidence: float = 0.999
    patience: int = 3


class _GradientMover:
    """What the gradient rules share: which rows still move, and where they may go."""

    gradient = True

    def __init__(self, variable: PointVariable | GaussianVariable, constraint: Constraint, retire: Retire | None):
        self.variable, self.retire = variable, retire
        start = variable.parameters[0].clone()
        self.project = constraint.around(start)
        if isinstance(variable, GaussianVariable):
            variable.project(self.project)
        self.streak = torch.zeros(len(start), device=start.device)
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
        if isinstance(self.variable, PointVariable):
            self.variable.project(self.project)
        if self.retire is not None:
            sure = found.confidence >= self.retire.confidence
            self.streak[rows] = torch.where(sure, self.streak[rows] + 1, 0)
            self.variable.retire(self.streak[rows] >= self.retire.patience)

    def change(self, number: int, gradient: Tensor, rows: Tensor) -> Tensor:
        """What to add to the rows of parameter `number`."""
        raise AttributeError(f"{type(self).__name__} does not say how to move")

    def result(self, random: torch.Generator) -> Tensor:
        return self.variable.result(random)


@dataclass(frozen=True)
class Adam:
    """Adam (PPA uses betas 0.1, 0.1, which nearly forgets the past)."""

    learning_rate: float = 0.05
    betas: tuple[float, float] = (0.1, 0.1)

    def start(
        self, start: Tensor, latent: Point | Gaussian, constraint: Constraint, retire: Retire | None = None
    ) -> Mover:
        """Begin at `start` (classes, candidates, dim)."""
        return _Adam(self, latent.variable(start), constraint, retire)


class _Adam(_GradientMover):
    def __init__(self, rule: Adam, *shared) -> None:
        super().__init__(*shared)
        self.rule = rule
        self.first = [torch.zeros_like(p) for p in self.variable.parameters]
        self.second = [torch.zeros_like(p) for p in self.variable.parameters]

    def change(self, number: int, gradient: Tensor, rows: Tensor) -> Tensor:
        # written out rather than torch.optim's: rows that are done keep still and cost nothing
        (a, b), first, second = self.rule.betas, self.first[number], self.second[number]
        first[rows] = a * first[rows] + (1 - a) * gradient
        second[rows] = b * second[rows] + (1 - b) * gradient**2
        mean, power = first[rows] / (1 - a**self.steps), second[rows] / (1 - b**self.steps)
        return -self.rule.learning_rate * mean / (power.sqrt() + 1e-8)


@dataclass(frozen=True)
class Momentum:
    """GMI's Nesterov-like rule: v' = m v - lr g; z += (1 + m) v' - m v."""

    learning_rate: float = 0.02
    momentum: float = 0.9

    def start(
        self, start: Tensor, latent: Point | Gaussian, constraint: Constraint, retire: Retire | None = None
    ) -> Mover:
        """Begin at `start` (classes, candidates, dim)."""
        return _Momentum(self, latent.variable(start), constraint, retire)


class _Momentum(_GradientMover):
    def __init__(self, rule: Momentum, *shared) -> None:
        super().__init__(*shared)
        self.rule = rule
        self.velocity = [torch.zeros_like(p) for p in self.variable.parameters]

    def change(self, number: int, gradient: Tensor, rows: Tensor) -> Tensor:
        m, velocity = self.rule.momentum, self.velocity[number]
        old = velocity[rows]
        velocity[rows] = new = m * old - self.rule.learning_rate * gradient
        return (1 + m) * new - m * old
