"""A user's own StyleGAN2 as a prior, whose latents are P-space coordinates."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.priors.source import GeneratorSource, one_line
from mi_tune.priors.user import UserPrior
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import generator

SLOPE = 0.2
"""Of StyleGAN2's leaky ReLUs (Karras et al., CVPR 2020)."""

MAPPED = 10_000
"""Latents that mean and standard deviation of P space are estimated from (MIRROR)."""

NEEDED = ("mapping", "synthesis", "z_dim", "w_dim", "num_ws")


class StylePrior(UserPrior):
    """MIRROR's P space of a module like StyleGAN2-ADA's (An et al., NDSS 2022; Karras et al., NeurIPS 2020).

    The module has `mapping(z, c)` or `mapping(z)`, which maps z (n, z_dim) to ws (n, num_ws, w_dim), the same w for
    every layer; `synthesis(ws)`, which draws images of them; and the sizes `z_dim`, `w_dim` and `num_ws`. Classes c
    are not supported. A synthesis that takes `noise_mode` is asked for constant noise.

    P space is w before the last leaky ReLU of the mapping, where z gives nearly normal values; latents are its
    coordinates, standardised to mean 0 and standard deviation 1 over z, so that `PSpace(k)` clips to k standard
    deviations. All layers share one w. IF-GMI has no feature maps to go on with here: one block.

    Args:
        source, channels, resolution, output_range, batch: see `UserPrior`.
        truncation: psi, by which drawn w are pulled to their mean; 1 leaves them. Draws with less have a smaller
            standard deviation than 1 in the same coordinates.

    Raises:
        InputError: see `GeneratorSource.build`; also a missing attribute, and a module that needs a class.
    """

    name = "style"

    def __init__(
        self,
        source: GeneratorSource,
        channels: int,
        resolution: int,
        output_range: tuple[float, float] = (-1.0, 1.0),
        truncation: float = 1.0,
        batch: int | None = None,
    ) -> None:
        super().__init__(source, output_range, channels, resolution, batch)
        missing = [name for name in NEEDED if not hasattr(self.generator, name)]
        if missing:
            raise InputError(
                f"{source}: {type(self.generator).__name__} has no {', '.join(missing)}; a style prior needs "
                f"{', '.join(NEEDED)}"
            )
        if getattr(self.generator, "c_dim", 0):
            raise InputError(f"{source}: it needs a class (c_dim {self.generator.c_dim}); give one without classes")
        self.latent_dim = self.generator.w_dim
        self.truncation = self.config["truncation"] = truncation
        self._mapping_takes = (None,) if _takes_class(self.generator.mapping) else ()
        self._synthesis_takes = _fixed_noise(self.generator.synthesis)
        self.register_buffer("centre", torch.zeros(self.latent_dim))  # of w
        self.register_buffer("mean", torch.zeros(self.latent_dim))  # of p
        self.register_buffer("spread", torch.ones(self.latent_dim))  # of p

    def render(self, latents: Tensor) -> Tensor:
        w = F.leaky_relu(latents * self.spread + self.mean, SLOPE)
        return self.generator.synthesis(w[:, None].expand(-1, self.generator.num_ws, -1), **self._synthesis_takes)

    @torch.no_grad()
    def sample_latents(self, n: int, random: torch.Generator) -> Tensor:
        w = torch.lerp(self.centre, self._mapped(n, random), self.truncation)
        return (before_activation(w) - self.mean) / self.spread

    def _mapped(self, n: int, random: torch.Generator) -> Tensor:
        """w (n, w_dim) of drawn z."""
        z = torch.randn(n, self.generator.z_dim, generator=random, device=random.device)
        return self.generator.mapping(z, *self._mapping_takes)[:, 0]

    def _prepare(self, seed: int) -> None:
        device = self.mean.device
        self._check_mapping(device)
        random = generator(seed, "p space", device=device)
        w = torch.cat([self._mapped(min(1000, MAPPED - done), random) for done in range(0, MAPPED, 1000)])
        p = before_activation(w)
        self.centre.copy_(w.mean(0))
        self.mean.copy_(p.mean(0))
        spread = p.std(0)
        # a coordinate that never moves stays at its mean
        self.spread.copy_(torch.where(spread > 0, spread, 1.0))
        if not torch.isfinite(self.mean).all() or not torch.isfinite(self.spread).all():
            raise InputError(f"{self.source}: its mapping gives NaN or infinite values; check its weights")

    def _check_mapping(self, device: torch.device) -> None:
        own = self.generator
        z = torch.randn(4, own.z_dim, generator=generator(0, "mapping check", device=device), device=device)
        try:
            ws = own.mapping(z, *self._mapping_takes)
        except Exception as error:
            raise InputError(f"{self.source}: its mapping fails on z {tuple(z.shape)} ({one_line(error)})") from error
        shape = tuple(ws.shape) if isinstance(ws, Tensor) else type(ws).__name__
        if shape != (4, own.num_ws, own.w_dim):
            raise InputError(
                f"{self.source}: its mapping gives {shape} for 4 z, not (4, num_ws {own.num_ws}, w_dim {own.w_dim})"
            )
        if not torch.equal(ws, ws[:, :1].expand_as(ws)) and torch.isfinite(ws).all():
            raise InputError(f"{self.source}: its mapping gives another w for every layer; a style prior needs one")


def before_activation(w: Tensor) -> Tensor:
    """P-space coordinates of w: the inverse of a leaky ReLU. Its gain, if any, is left to the standardisation."""
    return F.leaky_relu(w, 1 / SLOPE)


def _parameters(part: Callable) -> list[inspect.Parameter]:
    return list(inspect.signature(part.forward if isinstance(part, nn.Module) else part).parameters.values())


def _takes_class(mapping: Callable) -> bool:
    places = [p for p in _parameters(mapping) if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(places) > 1 and (places[1].name == "c" or places[1].default is inspect.Parameter.empty)


def _fixed_noise(synthesis: Callable) -> dict[str, Any]:
    """Arguments that make a synthesis a function of ws alone, in single precision, as far as it has them.

    StyleGAN2-ADA's passes keywords on to its layers, so its own signature does not name them.
    """
    parameters = _parameters(synthesis)
    known = {"noise_mode": "const", "force_fp32": True}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return known
    names = {p.name for p in parameters}
    return {name: value for name, value in known.items() if name in names}
