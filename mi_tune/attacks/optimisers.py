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
from mi_tune.runtime.errors import InputError

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
    """Stop moving a candidate once the target is sure of it and its loss has stopped falling.

    Both, because a candidate goes on to look more like the person long after the target is sure: on undefended targets
    of the built-in faces, confidence alone gave away several points of attack accuracy. Means over steps, because each
    step sees another random view. The time goes to the candidates that still need it.

    Args:
        confidence: mean over the last `window` steps, at least.
        window: steps.
        gain: a loss has stopped falling when its mean over the last `window` steps is lower than over the `window`
            before by no more than this share of its whole fall since the first step.
        minimum: steps before which no candidate retires; at least 2 * `window` anyway.

    Raises:
        InputError: a confidence outside [0, 1], or no steps in the window.
    """

    confidence: float = 0.999
    window: int = 6
    gain: float = 0.05
    minimum: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.confidence <= 1 or self.window < 1:
            raise InputError(
                f"Retire(confidence={self.confidence}, window={self.window}): "
                "give a confidence in [0, 1] and a window of 1 or more"
            )


class _Watch:
    """The last steps of every candidate, and who of them is done."""

    def __init__(self, rule: Retire, candidates: int, device: torch.device) -> None:
        self.rule = rule
        self.first = torch.zeros(candidates, device=device)
        self.losses = torch.zeros(2 * rule.window, candidates, device=device)
        self.confidence = torch.zeros(rule.window, candidates, device=device)
        self.steps = 0

    def done(self, rows: Tensor, found: Found) -> Tensor:
        """Which of the rows (m,) retire, bool (m,), after another step of all that still move."""
        window = self.rule.window
        if self.steps == 0:
            self.first[rows] = found.loss
        # the candidates that still move have all taken every step: one clock for them
        self.losses[self.steps % (2 * window), rows] = found.loss
        self.confidence[self.steps % window, rows] = found.confidence
        self.steps += 1
        if self.steps < max(2 * window, self.rule.minimum):
            return torch.zeros_like(rows, dtype=torch.bool)
        order = (torch.arange(2 * window, device=rows.device) + self.steps) % (2 * window)
        before, now = self.losses[order][:, rows].view(2, window, -1).mean(1)
        sure = self.confidence[:, rows].mean(0) >= self.rule.confidence
        return sure & (before - now <= self.rule.gain * (self.first[rows] - now))


class _GradientMover:
    """What the gradient rules share: which rows still move, and where they may go."""

    gradient = True

    def __init__(self, variable: PointVariable | GaussianVariable, constraint: Constraint, retire: Retire | None):
        self.variable = variable
        start = variable.parameters[0].clone()
        self.project = constraint.around(start)
        if isinstance(variable, GaussianVariable):
            variable.project(self.project)
        self.watch = _Watch(retire, len(start), start.device) if retire else None
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
        if self.watch is not None:
            self.variable.retire(self.watch.done(rows, found))

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
