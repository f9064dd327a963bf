"""The instrument that reads who a drawn face shows: a small network from an image to the parameters of its identity.

It is trained on freshly drawn people (mi_tune/data/procedural.py) and has never seen a private one, so it knows
nothing of who is private. Like any instrument it has an error of its own, which is measured on other fresh people
and kept with it.
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
from mi_tune.nets import small_cnn
from mi_tune.nets.small_cnn import SmallCNN
from mi_tune.nets.training import predict
from mi_tune.runtime.cache import cached, content_key
from mi_tune.runtime.device import autocast
from mi_tune.runtime.errors import DivergedError
from mi_tune.runtime.seeds import derive_seed, generator

FRESH = 2000
"""Fresh people on whom the regressor is measured."""


@dataclass(frozen=True)
class RegressorRecipe:
    """Size and training of the regressor.

    Args:
        steps: updates. batch_size: freshly drawn images an update; no image is ever seen twice.
        width: features of the finest maps. learning_rate: peak of a cosine with a linear warm-up, for Adam.
        seed: of weights and people. Not a study's: the same instrument measures all studies.
    """

    steps: int = 800
    batch_size: int = 128
    width: int = 16
    learning_rate: float = 1e-2
    seed: int = 0


class RegressorNet(nn.Module):
    """Convolutions that keep positions, one hidden layer, and an output for each parameter, centred on 0.5.

    Args:
        resolution: side of the images, 16 to 128 px; InputError outside. width: features of the finest maps.
    """

    def __init__(self, resolution: int, width: int) -> None:
        super().__init__()
        self.body = SmallCNN(256, 1, resolution, width)
        self.norm = nn.BatchNorm1d(256)
        self.head = nn.Linear(256, len(IDENTITY))

    def forward(self, images: Tensor) -> Tensor:
        """Parameters (n, len(IDENTITY)), not yet cut to [0, 1], of images (n, 1, height, width) in [0, 1]."""
        return self.head(F.relu(self.norm(self.body(images * 2 - 1)))) + 0.5


@dataclass(frozen=True)
class IdentityRegressor:
    """A trained regressor with what is known of it, all of it measured on fresh people.

    Args:
        model: the network. key: content key of recipe and code.
        recovered_share: (parameters,) share of each parameter's variance that is recovered from photographs (R^2,
            not below 0).
        random_distance: mean `distance` between what is recovered of one person and another person's parameters.
        photograph_error: mean `error` of photographs, with nuisance and noise, to their own person.
        neutral_error: the same for neutral images without noise: the least that a reconstruction can reach.
    """

    model: nn.Module
    recovered_share: np.ndarray
    random_distance: float
    photograph_error: float
    neutral_error: float
    key: str

    def recover(self, images: Tensor, device: torch.device) -> Tensor:
        """Parameters in [0, 1], (n, parameters) on the CPU, of uint8 images or float images in [0, 1], (n, 1, h, w)."""
        return predict(self.model.to(device), images, device).clamp(0, 1)

    def distance(self, recovered: Tensor, true: Tensor) -> Tensor:
        """Root mean square over parameters, the last axis, each weighted by its `recovered_share`.

        What the image does not show, such as the hairline of somebody with hair as light as his skin, would
        otherwise add the same amount to everybody's distance.
        """
        return _distance(recovered, true, torch.from_numpy(self.recovered_share))

    def error(self, recovered: Tensor, true: Tensor) -> Tensor:
        """`distance` over `random_distance`: 0 is the very person, 1 no better than somebody drawn at random."""
        return self.distance(recovered, true) / self.random_distance


def train_regressor(resolution: int, recipe: RegressorRecipe, device: torch.device) -> IdentityRegressor:
    """Train and measure the regressor, or find it in the cache. Raises DivergedError, InputError (resolution)."""
    key = content_key(
        resolution, dataclasses.asdict(recipe), FRESH, modules=(sys.modules[__name__], procedural, small_cnn)
    )

    def make() -> dict:
        model = fit_regressor(resolution, recipe, device)
        return {"state": model.cpu().state_dict(), **_measure(model.to(device), resolution, recipe.seed, device)}

    stored = cached("regressor", key, make)
    model = RegressorNet(resolution, recipe.width)
    model.load_state_dict(stored.pop("state"))
    model.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    return IdentityRegressor(model, stored.pop("recovered_share").numpy(), **stored, key=key)


def fit_regressor(resolution: int, recipe: RegressorRecipe, device: torch.device) -> RegressorNet:
    """Train on freshly drawn people; the global random stream is left as it was. Raises DivergedError."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(recipe.seed, "regressor", "weights"))
        model = RegressorNet(resolution, recipe.width)
    model = model.to(device, memory_format=torch.channels_last).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _warm_cosine(step / recipe.steps))
    random = generator(recipe.seed, "regressor", "people", device=device)
    loss = torch.zeros((), device=device)
    for _ in range(recipe.steps):
        true = draw_identities(recipe.batch_size, random)
        # from clean, as reconstructions are, to as noisy as photographs
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
    """What `IdentityRegressor` says of the regressor, from people that it was not trained on."""
    random = generator(seed, "regressor", "fresh people")
    true = draw_identities(FRESH, random)
    seen = predict(model, photograph(true, resolution, random), device).clamp(0, 1)
    clean = predict(model, render(true, neutral(FRESH), resolution), device).clamp(0, 1)
    share = (1 - (seen - true).square().mean(0) / (true - true.mean(0)).square().mean(0)).clamp(min=0)
    scale = float(_distance(clean, true.roll(1, 0), share).mean())
    return {
        "recovered_share": share,
        "random_distance": scale,
        "photograph_error": float(_distance(seen, true, share).mean()) / scale,
        "neutral_error": float(_distance(clean, true, share).mean()) / scale,
    }


def _distance(first: Tensor, second: Tensor, weights: Tensor) -> Tensor:
    return ((first - second).square() @ (weights / weights.sum().clamp(min=1e-6))).sqrt()
