"""What a gradient optimiser changes: a point per candidate, or a distribution per person."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mi_tune.attacks.constraints import Free, Project
from mi_tune.attacks.parts import Draw


@dataclass(frozen=True)
class Point:
    """One latent vector per candidate."""

    extra_budget_in_steps = False

    def count(self, people: int, candidates: int) -> int:
        return people * candidates

    def variable(self, start: Tensor) -> PointVariable:
        return PointVariable(start)


class PointVariable:
    """The state of `Point` in one stage; see `mi_tune.attacks.parts.Variable`. start: (people, candidates, dim)."""

    def __init__(self, start: Tensor) -> None:
        self.shape = start.shape
        self.parameters = [start.flatten(0, 1).clone()]
        self.owners = torch.arange(len(start), device=start.device).repeat_interleave(start.shape[1])
        self.rows = torch.arange(len(self.owners), device=start.device)
        self._project = Free().around(start)

    def draw(self, random: torch.Generator) -> Draw:
        return Draw(self.parameters[0][self.rows], self.owners[self.rows], self.rows)

    def pull(self, gradient: Tensor) -> list[Tensor]:
        return [gradient]

    def constrain(self, project: Project) -> None:
        self._project = project

    def settle(self) -> None:
        z = self.parameters[0]
        z[self.rows] = self._project(z[self.rows], self.rows)

    def retire(self, solved: Tensor) -> None:
        self.rows = self.rows[~solved]

    def result(self, random: torch.Generator) -> Tensor:
        return self.parameters[0].view(self.shape)


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution per person, z = mu + eps * exp(log-variance / 2), that starts at mean 0 and variance 1.

    KED-MI's distributional recovery (Chen et al., ICCV 2021). Each step evaluates one draw per person. The candidates
    are draws from the final distribution, so more candidates make no step dearer.
    """

    extra_budget_in_steps = True

    def count(self, people: int, candidates: int) -> int:
        return people

    def variable(self, start: Tensor) -> GaussianVariable:
        return GaussianVariable(start)


class GaussianVariable:
    """The state of `Gaussian` in one stage; see `mi_tune.attacks.parts.Variable`. start: (people, candidates, dim)."""

    def __init__(self, start: Tensor) -> None:
        self.shape = start.shape
        mean = torch.zeros(len(start), start.shape[2], device=start.device)
        self.parameters = [mean, torch.zeros_like(mean)]
        self.rows = torch.arange(len(start), device=start.device)
        self._project = Free().around(mean)

    def draw(self, random: torch.Generator) -> Draw:
        mean, log_variance = self.parameters
        noise = torch.randn(mean.shape, device=mean.device, generator=random)
        self._spread = noise * (log_variance / 2).exp()
        drawn = mean + self._spread
        latents = self._project(drawn, self.rows)
        self._inside = latents == drawn  # a clipped coordinate has no gradient towards the parameters
        return Draw(latents, self.rows, self.rows)

    def pull(self, gradient: Tensor) -> list[Tensor]:
        gradient = gradient * self._inside
        return [gradient, gradient * self._spread / 2]

    def constrain(self, project: Project) -> None:
        # as in LOMMA's code, the draws are clipped inside the loss, and the parameters are not
        self._project = project

    def settle(self) -> None:
        """Nothing to do: only draws are constrained."""

    def retire(self, solved: Tensor) -> None:
        """Nothing to do: one good draw does not solve a distribution."""

    def result(self, random: torch.Generator) -> Tensor:
        mean, log_variance = (p[:, None] for p in self.parameters)
        noise = torch.randn(self.shape, device=mean.device, generator=random)
        flat = (mean + noise * (log_variance / 2).exp()).flatten(0, 1)
        owners = self.rows.repeat_interleave(self.shape[1])
        return self._project(flat, owners).view(self.shape)
