"""Generators as users would write them, as code for a file, and the priors that are made of such a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mi_tune.priors import GeneratorSource, ImportedPrior, StylePrior
from mi_tune.runtime.errors import InputError

CPU = torch.device("cpu")

# A leaky mapping and a synthesis as in StyleGAN2; and a plain generator. Both tell dark from light.
CODE = '''
from __future__ import annotations
import dataclasses
import torch
from torch import nn


@dataclasses.dataclass
class Sizes:  # string annotations ask for the module by its name
    latent_dim: int = 6


class Plain(nn.Module):
    latent_dim = Sizes().latent_dim

    def __init__(self, channels=3, side=32, low=0.0, high=1.0):
        super().__init__()
        self.low, self.high, self.shape = low, high, (channels, side, side)
        self.layer = nn.Linear(self.latent_dim, channels * 16)

    def forward(self, z):
        small = torch.sigmoid(3 * self.layer(z)).view(len(z), self.shape[0], 4, 4)
        image = nn.functional.interpolate(small, size=self.shape[1:])
        return self.low + (self.high - self.low) * image


class Synthesis(nn.Module):
    def __init__(self, w_dim, num_ws):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(w_dim, 16) for _ in range(num_ws))
        self.noise_strength = nn.Parameter(torch.tensor(0.5))

    def forward(self, ws, noise_mode="random"):
        x = sum(layer(w) for layer, w in zip(self.layers, ws.unbind(1)))
        x = torch.tanh(2 * x).view(-1, 1, 4, 4)
        x = x + self.noise_strength * torch.randn_like(x) if noise_mode == "random" else x
        return 1.05 * nn.functional.interpolate(x, size=(16, 16))


class Mapping(nn.Module):
    def __init__(self, z_dim, w_dim, num_ws):
        super().__init__()
        self.num_ws = num_ws
        self.net = nn.Sequential(nn.Linear(z_dim, w_dim), nn.LeakyReLU(0.2), nn.Linear(w_dim, w_dim))

    def forward(self, z, c, truncation_psi=1):
        w = 2**0.5 * nn.functional.leaky_relu(2 * self.net(z) + 0.3, 0.2)
        return w[:, None].repeat(1, self.num_ws, 1)


class Style(nn.Module):
    def __init__(self):
        super().__init__()
        self.z_dim, self.w_dim, self.num_ws, self.c_dim = 5, 8, 3, 0
        self.mapping = Mapping(5, 8, 3)
        self.synthesis = Synthesis(8, 3)


class NoClass(Style):
    """mapping(z) alone, as a method."""

    def __init__(self):
        super().__init__()
        self.inner, self.mapping = self.mapping, None
        del self.mapping
        self.mapping = lambda z: self.inner(z, None)
'''


def source(file: Path, factory: str, weights: Path | None = None, extra: str = "") -> GeneratorSource:
    if extra:
        file.write_text(CODE + extra)
    return GeneratorSource(f"{file}:{factory}", weights)


def plain(file: Path, factory: str = "Plain", extra: str = "", resolution: int = 16, **given) -> ImportedPrior:
    channels = given.pop("channels", 1)
    return ImportedPrior(source(file, factory, extra=extra), channels=channels, resolution=resolution, **given)


def style(file: Path, factory: str = "Style", extra: str = "", **given) -> StylePrior:
    return StylePrior(source(file, factory, extra=extra), channels=1, resolution=16, **given)


def refused(prior, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        prior().load(0, CPU)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)
