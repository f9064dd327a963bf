"""An optimiser for hard labels alone: it moves away from the edge of the class, on growing spheres."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mi_tune.attacks.parts import Constraint, Draw, Found, Latent, Mover, Passes
from mi_tune.attacks.retirement import Retire


@dataclass(frozen=True)
class SphereRepulsion:
    """BREP-MI (Kahla et al., CVPR 2022), for all people and candidates at once.

    Each step asks the target about `points` points on a sphere around each candidate. If more than `enough` of them
    are in the class, the candidate is remembered and its sphere grows by the factor `growth`. Otherwise the candidate
    moves by min(radius / 3, 3) against the mean direction of the points that are outside the class. It moves a point
    per candidate, whatever the latent, and does not retire candidates.

    Args:
        radius: of the first sphere, in standard deviations of the latents. enough: share of the points, in [0, 1].
        patience: steps without growth after which a candidate is done (published: 1000).
    """

    points: int = 32
    radius: float = 2.0
    growth: float = 1.3
    enough: float = 0.75
    patience: int = 30

    follows_gradients = False
    hard_labels_only = True
    extra_budget_in_steps = True

    def scaled(self, factor: int) -> SphereRepulsion:
        """With patience in proportion, because otherwise a candidate would be given up as early as before."""
        return replace(self, patience=self.patience * factor)

    def passes(self, latent: Latent, people: int, candidates: int, steps: int) -> Passes:
        return Passes(steps * people * candidates * self.points, 0)

    def start(self, start: Tensor, latent: Latent, constraint: Constraint, retire: Retire | None = None) -> Mover:
        return _SphereRepulsion(self, start, constraint)


class _SphereRepulsion:
    follows_gradients = False

    def __init__(self, rule: SphereRepulsion, start: Tensor, constraint: Constraint) -> None:
        self.rule, self.shape = rule, start.shape
        self.centre = start.flatten(0, 1).clone()
        self.best = self.centre.clone()
        self.project = constraint.around(self.centre.clone())
        self.radius = torch.full((len(self.centre),), rule.radius, device=start.device)
        self.waited = torch.zeros(len(self.centre), dtype=torch.long, device=start.device)
        self.owners = torch.arange(len(start), device=start.device).repeat_interleave(start.shape[1])

    def ask(self, random: torch.Generator) -> Draw:
        points = self.rule.points
        self.rows = (self.waited < self.rule.patience).nonzero()[:, 0]
        shape = (len(self.rows), points, self.shape[2])
        direction = torch.randn(shape, device=self.centre.device, generator=random)
        self.direction = direction / direction.norm(dim=2, keepdim=True)
        latents = self.centre[self.rows, None] + self.radius[self.rows, None, None] * self.direction
        rows = self.rows.repeat_interleave(points)
        return Draw(latents.flatten(0, 1), self.owners[rows], rows)

    def tell(self, found: Found) -> None:
        rule, rows = self.rule, self.rows
        outside = found.loss.view(len(rows), rule.points) > 0
        held = (~outside).float().mean(1) > rule.enough
        grown = rows[held]
        self.best[grown] = self.centre[grown]
        away = -(self.direction * outside[..., None]).sum(1) / outside.sum(1, keepdim=True).clamp_min(1)
        step = (self.radius[rows] / 3).clamp_max(3)[:, None] * away
        # if the whole sphere is outside the class, no direction is better than another
        lost = outside.all(1)
        moved = self.project(self.centre[rows] + step, rows)
        self.centre[rows] = torch.where((held | lost)[:, None], self.centre[rows], moved)
        self.radius[grown] *= rule.growth
        self.waited[rows] = torch.where(held, 0, self.waited[rows] + 1)

    def result(self, random: torch.Generator) -> Tensor:
        # the last centre may be outside the class; most of the sphere around the remembered one was inside
        never = self.radius == self.rule.radius
        return torch.where(never[:, None], self.centre, self.best).view(self.shape)
