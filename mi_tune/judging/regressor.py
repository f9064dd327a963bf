"""The identity regressor: a small network that recovers the identity parameters of a drawn face from its image.

It is trained on freshly drawn people (mi_tune/data/procedural.py), never on private ones. Its own error is measured
on other fresh people and stored with it.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mi_tune.data import procedural
from mi_tune.data.procedural import IDENTITY, NOISE, draw_identities, neutral, photograph, render
from mi_tune.nets import place, small_cnn
from mi_tune.nets.small_cnn import SmallCNN
from mi_tune.nets.training import predict
from mi_tune.runtime.cache import cached, content_key
from mi_tune.runtime.device import autocast
from mi_tune.runtime.errors import DivergedError
from mi_tune.runtime.seeds import derive_seed, generator

TEST_PEOPLE = 2000
"""Number of freshly drawn people on whom the regressor's error is measured."""


@dataclass(frozen=True)
class RegressorRecipe:
    """Size and training of the regressor.

    Args:
        steps: number of updates. batch_size: images per update, all freshly drawn: none is seen twice.
        width: channels of the finest feature maps.
        learning_rate: of Adam, the peak of a cosine schedule with linear warm-up.
        seed: of weights and people. It does not depend on the study: all studies share one regressor.
    """

    steps: int = 800
    batch_size: int = 128
    width: int = 16
    learning_rate: float = 1e-2
    seed: int = 0


class RegressorNet(nn.Module):
    """A CNN without global pooling, one hidden layer, and one output per identity parameter, centred on 0.5.

    Args:
        resolution: side of the images, 16 to 128 px. width: channels of the finest feature maps.

    Raises:
        InputError: the resolution is outside its range.
    """

    def __init__(self, resolution: int, width: int) -> None:
        super().__init__()
        self.body = SmallCNN(256, 1, resolution, width)
        self.norm = nn.BatchNorm1d(256)
        self.head = nn.Linear(256, len(IDENTITY))

    def forward(self, images: Tensor) -> Tensor:
        """Identity parameters (n, len(IDENTITY)), not clamped to [0, 1], of images (n, 1, height, width) in [0, 1]."""
        return self.head(F.relu(self.norm(self.body(images * 2 - 1)))) + 0.5


@dataclass(frozen=True)
class IdentityRegressor:
    """A trained regressor with its own error, measured on fresh people.

    Args:
        model: the network. key: content key of recipe and code.
        recovered_share: R^2 of each parameter on photographs, at least 0, (parameters,).
        random_distance: mean `distance` between one person's recovered parameters and another person's true ones.
        photograph_error: mean `error` on photographs, with pose, light, expression and noise varied.
        neutral_error: mean `error` on neutral images without noise: the least that a reconstruction can reach.
    """

    model: nn.Module
    recovered_share: np.ndarray
    random_distance: float
    photograph_error: float
    neutral_error: float
    key: str

    def recover(self, images: Tensor, device: torch.device) -> Tensor:
        """Identity parameters in [0, 1], (n, parameters), on the CPU.

        images: (n, 1, height, width), uint8 or float in [0, 1].
        """
        return predict(self.model.to(device), images, device).clamp(0, 1)

    def distance(self, recovered: Tensor, true: Tensor) -> Tensor:
        """Root mean squared difference over parameters (the last axis), weighted by `recovered_share`.

        Without the weights, a parameter that images do not show would add the same amount to every distance. An
        example is the hairline of a person whose hair is as light as their skin.
        """
        return _distance(recovered, true, torch.from_numpy(self.recovered_share))

    def error(self, recovered: Tensor, true: Tensor) -> Tensor:
        """Identity error, `distance` / `random_distance`: 0 is the same person, 1 no better than a random person."""
        return self.distance(recovered, true) / self.random_distance


def train_regressor(resolution: int, recipe: RegressorRecipe, device: torch.device) -> IdentityRegressor:
    """Train the regressor and measure its error, or load both from the cache. Raises DivergedError, InputError."""
    key = content_key(
        resolution, dataclasses.asdict(recipe), TEST_PEOPLE, modules=(sys.modules[__name__], procedural, small_cnn)
    )

    def make() -> dict:
        model = fit_regressor(resolution, recipe, device)
        return {"state": model.cpu().state_dict(), **_measure(model.to(device), resolution, recipe.seed, device)}

    stored = cached("regressor", key, make)
    model = RegressorNet(resolution, recipe.width)
    model.load_state_dict(stored.pop("state"))
    place(model, device).eval().requires_grad_(False)
    return IdentityRegressor(model, stored.pop("recovered_share").numpy(), **stored, key=key)


def fit_regressor(resolution: int, recipe: RegressorRecipe, device: torch.device) -> RegressorNet:
    """Train on freshly drawn people. Does not change the global random state. Raises DivergedError."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(recipe.seed, "regressor", "weights"))
        model = RegressorNet(resolution, recipe.width)
    model = place(model, device).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _warm_cosine(step / recipe.steps))
    random = generator(recipe.seed, "regressor", "people", device=device)
    loss = torch.zeros((), device=device)
    for _ in range(recipe.steps):
        true = draw_identities(recipe.batch_size, random)
        # noise between none, as in reconstructions, and as much as in photographs
        noise = NOISE * torch.rand(recipe.batch_size, 1, 1, 1, device=device, generator=random)
        images = photograph(true, resolution, random, noise).contiguous(memory_format=torch.channels_last)
        with autocast(device):
            recovered = model(images)
        loss = F.mse_loss(recovered.float(), true)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    if not math.isfinite(float(loss.detach())):
        raise DivergedError("the identity regressor's training diverged")
    return model.eval().requires_grad_(False)


def _warm_cosine(progress: float) -> float:
    warm = 0.1
    return progress / warm if progress < warm else 0.5 * (1 + math.cos(math.pi * (progress - warm) / (1 - warm)))


def _measure(model: RegressorNet, resolution: int, seed: int, device: torch.device) -> dict:
    """The measured fields of `IdentityRegressor`, from people that it was not trained on."""
    random = generator(seed, "regressor", "fresh people")
    true = draw_identities(TEST_PEOPLE, random)
    from_photographs = predict(model, photograph(true, resolution, random), device).clamp(0, 1)
    from_neutral = predict(model, render(true, neutral(TEST_PEOPLE), resolution), device).clamp(0, 1)
    share = (1 - (from_photographs - true).square().mean(0) / (true - true.mean(0)).square().mean(0)).clamp(min=0)
    scale = float(_distance(from_neutral, true.roll(1, 0), share).mean())
    return {
        "recovered_share": share,
        "random_distance": scale,
        "photograph_error": float(_distance(from_photographs, true, share).mean()) / scale,
        "neutral_error": float(_distance(from_neutral, true, share).mean()) / scale,
    }


def _distance(first: Tensor, second: Tensor, weights: Tensor) -> Tensor:
    return ((first - second).square() @ (weights / weights.sum().clamp(min=1e-6))).sqrt()
