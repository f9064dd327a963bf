"""What a gradient moves: a point per candidate, or a distribution per class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mi_tune.attacks.constraints import Project


class Draw(NamedTuple):
    """Latents (m, dim) to look at, the position of each one's class among the attacked (m,), and its row (m,)."""

    latents: Tensor
    owners: Tensor
    rows: Tensor


@dataclass(frozen=True)
class Point:
    """One latent vector per candidate."""

    def variable(self, start: Tensor) -> PointVariable:
        return PointVariable(start)


class PointVariable:
    """start: (classes, candidates, dim)."""

    def __init__(self, start: Tensor) -> None:
        self.shape = start.shape
        self.parameters = [start.flatten(0, 1).clone()]
        self.owners = torch.arange(len(start), device=start.device).repeat_interleave(start.shape[1])
        self.rows = torch.arange(len(self.owners), device=start.device)

    def draw(self, random: torch.Generator) -> Draw:
        return Draw(self.parameters[0][self.rows], self.owners[self.rows], self.rows)

    def pull(self, gradient: Tensor) -> list[Tensor]:
        """Gradients of the parameters' rows, from that of the drawn latents."""
        return [gradient]

    def project(self, project: Project) -> None:
        z = self.parameters[0]
        z[self.rows] = project(z[self.rows], self.rows)

    def retire(self, solved: Tensor) -> None:
        """Leave the solved among the drawn rows (bool) where they are."""
        self.rows = self.rows[~solved]

    def result(self, random: torch.Generator) -> Tensor:
        """Latents (classes, candidates, dim)."""
        return self.parameters[0].view(self.shape)


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution per class, z = mu + eps exp(log-variance / 2), from mean 0 and variance 1.

    KED-MI's distributional recovery (Chen et al., ICCV 2021): each step follows one draw, and the candidates are draws
    from the distribution at the end.
    """

    def variable(self, start: Tensor) -> GaussianVariable:
        return GaussianVariable(start)


class GaussianVariable:
    def __init__(self, start: Tensor) -> None:
        self.shape = start.shape
        mean = torch.zeros(len(start), start.shape[2], device=start.device)
        self.parameters = [mean, torch.zeros_like(mean)]
        self.rows = torch.arange(len(start), device=start.device)
        self.project_drawn: Project = lambda latents, rows: latents

    def draw(self, random: torch.Generator) -> Draw:
        mean, log_variance = self.parameters
        noise = torch.randn(mean.shape, device=mean.device, generator=random)
        self._spread = noise * (log_variance / 2).exp()
        drawn = mean + self._spread
        latents = self.project_drawn(drawn, self.rows)
        self._free = latents == drawn  # a clipped coordinate does not feel the parameters
        return Draw(latents, self.rows, self.rows)

    def pull(self, gradient: Tensor) -> list[Tensor]:
        gradient = gradient * self._free
        return [gradient, gradient * self._spread / 2]

    def project(self, project: Project) -> None:
        # the draws are clipped inside the loss (as LOMMA's code does), not the parameters
        self.project_drawn = project

    def retire(self, solved: Tensor) -> None:
        """A distribution is never solved by one draw."""

    def result(self, random: torch.Generator) -> Tensor:
        mean, log_variance = (p[:, None] for p in self.parameters)
        noise = torch.randn(self.shape, device=mean.device, generator=random)
        flat = (mean + noise * (log_variance / 2).exp()).flatten(0, 1)
        owners = self.rows.repeat_interleave(self.shape[1])
        return self.project_drawn(flat, owners).view(self.shape)
