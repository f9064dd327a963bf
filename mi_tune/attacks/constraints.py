"""Constraints: where latents may go. `around(start)` returns a projection onto the allowed latents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Project = Callable[[Tensor, Tensor], Tensor]
"""Maps latents (m, dim), with their rows in `start` (m,), to allowed latents (m, dim)."""


@dataclass(frozen=True)
class Free:
    """No constraint."""

    def around(self, start: Tensor) -> Project:
        return lambda latents, rows: latents


@dataclass(frozen=True)
class Clamp:
    """Every coordinate within `bound` standard deviations of 0 (GMI, Zhang et al., CVPR 2020)."""

    bound: float

    def around(self, start: Tensor) -> Project:
        return lambda latents, rows: latents.clamp(-self.bound, self.bound)


@dataclass(frozen=True)
class PSpace(Clamp):
    """MIRROR's clipping in P space to `bound` standard deviations around the mean (An et al., NDSS 2022).

    It is a clamp, because the latents of a style prior are standardised P-space coordinates (`mi_tune.priors.style`).
    The latents of other priors are normal anyway.
    """

    bound: float = 1.0


@dataclass(frozen=True)
class L1Ball:
    """A mean absolute change per coordinate of at most `radius` from the start (IF-GMI, Qiu et al., ECCV 2024).

    IF-GMI gives radii of 1000 to 3000 as sums over feature maps of some hundred thousand values. A mean does not
    depend on the size of the map.
    """

    radius: float

    def around(self, start: Tensor) -> Project:
        def project(latents: Tensor, rows: Tensor) -> Tensor:
            centre = start[rows]
            return centre + onto_l1_ball(latents - centre, self.radius * start.shape[1])

        return project


def onto_l1_ball(x: Tensor, radius: float) -> Tensor:
    """Euclidean projection of each row of x (n, dim) onto the l1 ball around 0 (Duchi et al., ICML 2008)."""
    magnitude = x.abs()
    falling = magnitude.sort(dim=1, descending=True).values
    excess = falling.cumsum(1) - radius
    count = torch.arange(1, x.shape[1] + 1, device=x.device)
    last = (falling * count > excess).sum(1, keepdim=True).clamp_min(1)
    threshold = (excess.gather(1, last - 1) / last).clamp_min(0)
    inside = magnitude.sum(1, keepdim=True) <= radius
    return torch.where(inside, x, x.sign() * (magnitude - threshold).clamp_min(0))
