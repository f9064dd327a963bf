"""How latents move. All candidates move in one tensor; no rule mixes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Mover(Protocol):
    def step(self, gradient: Tensor) -> None:
        """Move the latents in place along their gradient (same shape)."""


@dataclass(frozen=True)
class Adam:
    """Adam (PPA uses betas 0.1, 0.1, which nearly forgets the past)."""

    learning_rate: float = 0.05
    betas: tuple[float, float] = (0.1, 0.1)

    def start(self, latents: Tensor) -> Mover:
        return _Adam(latents, self)


class _Adam:
    def __init__(self, latents: Tensor, rule: Adam) -> None:
        self.latents = latents
        self.optimiser = torch.optim.Adam([latents], lr=rule.learning_rate, betas=rule.betas)

    def step(self, gradient: Tensor) -> None:
        self.latents.grad = gradient
        self.optimiser.step()


@dataclass(frozen=True)
class Momentum:
    """GMI's Nesterov-like rule: v' = m v - lr g; z += (1 + m) v' - m v."""

    learning_rate: float = 0.02
    momentum: float = 0.9

    def start(self, latents: Tensor) -> Mover:
        return _Momentum(latents, self)


class _Momentum:
    def __init__(self, latents: Tensor, rule: Momentum) -> None:
        self.latents, self.rule = latents, rule
        self.velocity = torch.zeros_like(latents)

    @torch.no_grad()
    def step(self, gradient: Tensor) -> None:
        m = self.rule.momentum
        new = m * self.velocity - self.rule.learning_rate * gradient
        self.latents += (1 + m) * new - m * self.velocity
        self.velocity = new
