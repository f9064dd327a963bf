"""Where latents may go. `around(start)` gives a rule that moves rows of latents back in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Project = Callable[[Tensor, Tensor], Tensor]
"""(latents (m, dim), their rows in the start (m,)) -> latents that are allowed."""


@dataclass(frozen=True)
class Free:
    """Anywhere."""

    def around(self, start: Tensor) -> Project:
        return lambda latents, rows: latents


@dataclass(frozen=True)
class Clamp:
    """Every coordinate within `bound` of 0 (GMI); latents have a standard deviation of 1, so `bound` counts those."""

    bound: float

    def around(self, start: Tensor) -> Project:
        return lambda latents, rows: latents.clamp(-self.bound, self.bound)


@dataclass(frozen=True)
class PSpace(Clamp):
    """MIRROR's clipping in P space to `bound` standard deviations around the mean (An et al., NDSS 2022).

    Latents of a style prior are standardised P-space coordinates (`mi_tune.priors.style`), where this is a clamp; those
    of other priors are normal to begin with.
    """

    bound: float = 1.0


@dataclass(frozen=True)
class L1Ball:
    """Within `radius`, in mean absolute change per coordinate, of the start (IF-GMI, Qiu et al., ECCV 2024).

    IF-GMI gives radii of 1000 to 3000 for feature maps of some hundred thousand values; a mean does not depend on
    the size of the map.
    """

    radius: float

    def around(self, start: Tensor) -> Project:
        def project(latents: Tensor, rows: Tensor) -> Tensor:
            centre = start[rows]
            return centre + onto_l1_ball(latents - centre, self.radius * start.shape[1])

        return project


def onto_l1_ball(x: Tensor, radius: float) -> Tensor:
    """The nearest point (Euclidean) of each row of x (n, dim) in the l1 ball (Duchi et al., ICML 2008)."""
    size = x.abs()
    falling = size.sort(dim=1, descending=True).values
    excess = falling.cumsum(1) - radius
    count = torch.arange(1, x.shape[1] + 1, device=x.device)
    last = (falling * count > excess).sum(1, keepdim=True).clamp_min(1)
    threshold = (excess.gather(1, last - 1) / last).clamp_min(0)
    inside = size.sum(1, keepdim=True) <= radius
    return torch.where(inside, x, x.sign() * (size - threshold).clamp_min(0))
