"""A module of own networks, as a user would write it, good and bad: `make(classes, channels, resolution)`."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def make(classes: int, channels: int, resolution: int) -> nn.Module:
    """Three layers and a head; normalises by itself."""
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, stride=2, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * (resolution // 2) ** 2, classes),
    )


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(width, width, 3, padding=1)
        self.skip_scale = 1.0

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layer(x) + self.skip_scale * x)


def residual(classes: int, channels: int, resolution: int) -> nn.Module:
    """A network whose block has a skip connection that defences find."""
    layers = (nn.Conv2d(channels, 8, 3, stride=2, padding=1), _Block(8), nn.AdaptiveAvgPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32, classes))


def raises(classes: int, channels: int, resolution: int) -> nn.Module:
    raise RuntimeError("no such layer")


def without_sizes() -> nn.Module:
    return nn.Identity()


def text(classes: int, channels: int, resolution: int) -> str:
    return "a network"


def features(classes: int, channels: int, resolution: int) -> nn.Module:
    return make(classes + 3, channels, resolution)


def large(classes: int, channels: int, resolution: int) -> nn.Module:
    return make(classes, channels, 2 * resolution)


class _Twice(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.network(images), images


def pair(classes: int, channels: int, resolution: int) -> nn.Module:
    return _Twice(make(classes, channels, resolution))


def broken(classes: int, channels: int, resolution: int) -> nn.Module:
    network = make(classes, channels, resolution)
    nn.init.constant_(network[-1].bias, torch.nan)
    return network
