"""A user's own StyleGAN2 as a prior, whose latents are P-space coordinates."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.nets.stylegan2 import Synthesis
from mi_tune.priors.source import GeneratorSource
from mi_tune.priors.user import UserPrior
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import one_line
from mi_tune.runtime.seeds import generator

LEAKY_RELU_SLOPE = 0.2
"""Negative slope of StyleGAN2's leaky ReLUs (Karras et al., CVPR 2020)."""

P_SPACE_SAMPLES = 10_000
"""Number of latents from which the mean and standard deviation of P space are estimated (MIRROR)."""


class StyleParts(NamedTuple):
    """The attributes that a style prior needs of a user's module, under their names there."""

    mapping: Callable[..., Tensor]
    synthesis: Callable[..., Tensor]
    z_dim: int
    w_dim: int
    num_ws: int


class StylePrior(UserPrior):
    """A module like StyleGAN2-ADA's with MIRROR's P space (An et al., NDSS 2022; Karras et al., NeurIPS 2020).

    The module has `mapping(z, c)` or `mapping(z)`, which maps z (n, z_dim) to ws (n, num_ws, w_dim) with the same w for
    every layer; `synthesis(ws)`, which returns images; and the sizes `z_dim`, `w_dim` and `num_ws`. Classes c are not
    supported. A synthesis that takes `noise_mode` is called with constant noise.

    P space holds w before the last leaky ReLU of the mapping; there the distribution is nearly normal. Latents are its
    coordinates, standardised to mean 0 and standard deviation 1 over random z, so that `PSpace(k)` clips to k standard
    deviations. All layers share one w. This project's own StyleGAN2 is cut into one block per resolution, whose
    features, image and w IF-GMI optimises; another module is one block, where IF-GMI finds no hidden features.

    Args:
        source, channels, resolution, output_range, batch, crop: see `UserPrior`.
        truncation: psi of the truncation trick, which pulls sampled w towards their mean; 1 is off. With a smaller
            psi, samples have a standard deviation below 1 in the same coordinates.

    Raises:
        InputError: see `GeneratorSource.build`; also if an attribute is missing, or the module needs a class.
    """

    name = "style"
    centre: Tensor  # mean of w
    mean: Tensor  # mean of p
    spread: Tensor  # standard deviation of p

    def __init__(
        self,
        source: GeneratorSource,
        channels: int,
        resolution: int,
        output_range: tuple[float, float] = (-1.0, 1.0),
        truncation: float = 1.0,
        batch: int | None = None,
        crop: float = 1.0,
    ) -> None:
        super().__init__(source, output_range, channels, resolution, batch, crop)
        missing = [name for name in StyleParts._fields if not hasattr(self.generator, name)]
        if missing:
            raise InputError(
                f"{source}: {type(self.generator).__name__} has no {', '.join(missing)}; a style prior needs "
                f"{', '.join(StyleParts._fields)}"
            )
        if getattr(self.generator, "c_dim", 0):
            raise InputError(f"{source}: it needs a class (c_dim {self.generator.c_dim}); give one without classes")
        self.parts = StyleParts(*(getattr(self.generator, name) for name in StyleParts._fields))
        self.latent_dim = self.parts.w_dim
        self.truncation = self.config["truncation"] = truncation
        self._no_class = (None,) if _takes_class(self.parts.mapping) else ()
        self._constant_noise = _constant_noise(self.parts.synthesis)
        own = self.parts.synthesis
        self.cut = own if isinstance(own, Synthesis) else None
        self.blocks = len(self.cut.sides) if self.cut else 1
        self.register_buffer("centre", torch.zeros(self.latent_dim))
        self.register_buffer("mean", torch.zeros(self.latent_dim))
        self.register_buffer("spread", torch.ones(self.latent_dim))

    def render(self, latents: Tensor) -> Tensor:
        return self.parts.synthesis(self._for_all_layers(latents), **self._constant_noise)

    def _for_all_layers(self, latents: Tensor) -> Tensor:
        """ws (n, num_ws, w_dim) of latents."""
        w = F.leaky_relu(latents * self.spread + self.mean, LEAKY_RELU_SLOPE)
        return w[:, None].expand(-1, self.parts.num_ws, -1)

    def advance(self, hidden: Tensor, block: int) -> Tensor:
        if self.cut is None:
            return super().advance(hidden, block)
        features, image, latents = self._unflattened(hidden, block)
        features, image = self.cut.step(features, image, self._for_all_layers(latents), block)
        return torch.cat([features.flatten(1), image.flatten(1), latents], 1)

    def finish(self, hidden: Tensor, block: int, labels: Tensor | None = None) -> Tensor:
        if self.cut is None or block == 0:
            return super().finish(hidden, block, labels)
        features, image, latents = self._unflattened(hidden, block)
        ws = self._for_all_layers(latents)
        for number in range(block, self.blocks):
            features, image = self.cut.step(features, image, ws, number)
        assert image is not None
        return self.converted(image)

    def _unflattened(self, hidden: Tensor, block: int) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """Features, image so far and latents from the flat input of a block; block 0 has latents only."""
        assert self.cut is not None
        if block == 0:
            return None, None, hidden
        side = self.cut.sides[block - 1]
        image_size = self.cut.channels * side**2
        features, image, latents = hidden.split(
            [hidden.shape[1] - image_size - self.latent_dim, image_size, self.latent_dim], dim=1
        )
        return features.view(len(hidden), -1, side, side), image.view(len(hidden), -1, side, side), latents

    @torch.no_grad()
    def sample_latents(self, n: int, random: torch.Generator) -> Tensor:
        w = torch.lerp(self.centre, self._sample_w(n, random), self.truncation)
        return (before_activation(w) - self.mean) / self.spread

    def _sample_w(self, n: int, random: torch.Generator) -> Tensor:
        """w (n, w_dim) of random z."""
        z = torch.randn(n, self.parts.z_dim, generator=random, device=random.device)
        return self.parts.mapping(z, *self._no_class)[:, 0]

    def _prepare(self, seed: int) -> None:
        device = self.mean.device
        self._check_mapping(device)
        random = generator(seed, "p space", device=device)
        sizes = [min(1000, P_SPACE_SAMPLES - done) for done in range(0, P_SPACE_SAMPLES, 1000)]
        w = torch.cat([self._sample_w(size, random) for size in sizes])
        p = before_activation(w)
        self.centre.copy_(w.mean(0))
        self.mean.copy_(p.mean(0))
        spread = p.std(0)
        # a constant coordinate stays at its mean
        self.spread.copy_(torch.where(spread > 0, spread, 1.0))
        if not torch.isfinite(self.mean).all() or not torch.isfinite(self.spread).all():
            raise InputError(f"{self.source}: its mapping gives NaN or infinite values; check its weights")

    def _check_mapping(self, device: torch.device) -> None:
        parts = self.parts
        z = torch.randn(4, parts.z_dim, generator=generator(0, "mapping check", device=device), device=device)
        try:
            ws = parts.mapping(z, *self._no_class)
        except Exception as error:
            raise InputError(f"{self.source}: its mapping fails on z {tuple(z.shape)} ({one_line(error)})") from error
        shape = tuple(ws.shape) if isinstance(ws, Tensor) else type(ws).__name__
        if shape != (4, parts.num_ws, parts.w_dim):
            raise InputError(
                f"{self.source}: its mapping gives {shape} for 4 z, not (4, num_ws {parts.num_ws}, w_dim {parts.w_dim})"
            )
        if not torch.equal(ws, ws[:, :1].expand_as(ws)) and torch.isfinite(ws).all():
            raise InputError(
                f"{self.source}: its mapping gives a different w for each layer; a style prior needs one w for all"
            )


def before_activation(w: Tensor) -> Tensor:
    """P-space coordinates of w: the inverse of a leaky ReLU. The standardisation of latents removes any gain."""
    return F.leaky_relu(w, 1 / LEAKY_RELU_SLOPE)


def _parameters(function: Callable) -> list[inspect.Parameter]:
    return list(
        inspect.signature(function.forward if isinstance(function, nn.Module) else function).parameters.values()
    )


def _takes_class(mapping: Callable) -> bool:
    positional = [p for p in _parameters(mapping) if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) > 1 and (positional[1].name == "c" or positional[1].default is inspect.Parameter.empty)


def _constant_noise(synthesis: Callable) -> dict[str, Any]:
    """Those keyword arguments for constant noise and float32 that a synthesis takes.

    StyleGAN2-ADA's synthesis passes keyword arguments on to its layers, so its own signature does not name them.
    """
    parameters = _parameters(synthesis)
    known = {"noise_mode": "const", "force_fp32": True}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return known
    names = {p.name for p in parameters}
    return {name: value for name, value in known.items() if name in names}
