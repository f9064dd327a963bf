"""The attack loops of GMI and PPA as they were published, written from their equations, to measure the engine against.

What makes them as published: the target's parameters ask for gradients, so that every step computes weight gradients
that nothing uses; tensors are contiguous; batch norm is a layer of its own; one restart (GMI) or one person (PPA) is
attacked after the other, for a fixed number of steps; PPA renders the samples that it searches.

What is not as published, in their favour or because the prior is another: the prior is frozen, as it is for the
engine; GMI's losses are summed and divided by 60, the published batch, so that a smaller batch keeps the published
size of a step; PPA moves standardised latents at rate 0.2 within 3 standard deviations, as the preset `ppa` does.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms import v2

from mi_tune.priors.base import Prior
from mi_tune.runtime.seeds import derive_seed, generator


@dataclass
class Trace:
    """Where an attack stood after some of its steps.

    steps: which ones. seconds: optimisation until the end of a step, summed over the parts that are attacked one after
    the other. latents: of each part at that step.
    """

    steps: frozenset[int]
    seconds: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    latents: dict[int, list[Tensor]] = field(default_factory=lambda: defaultdict(list))

    def note(self, step: int, seconds: float, latents: Tensor) -> None:
        if step in self.steps:
            self.seconds[step] += seconds
            self.latents[step].append(latents.detach().clone())


@dataclass(frozen=True)
class Published:
    """What a loop returns: latents (people, kept, latent_dim), the best first.

    search_seconds come before the first step, optimise_seconds are those of all steps, seconds are everything. In
    trace, latents of a step are parts of shape (people, latent_dim) for GMI and (candidates, latent_dim) for PPA.
    """

    latents: Tensor
    search_seconds: float
    optimise_seconds: float
    seconds: float
    trace: Trace


def gmi(
    target: nn.Module, prior: Prior, people: Tensor, restarts: int, steps: int, noted: Iterable[int], seed: int
) -> Published:
    """GMI (Zhang et al., CVPR 2020): L = -D(G(z)) + 100 CE(f(G(z)), y), z clamped to [-1, 1].

    v' = 0.9 v - 0.02 dL/dz; z' = z + 1.9 v' - 0.9 v. Of the restarts, the one that the target is surest of is kept.
    people: int64 (n,), attacked together.
    """
    begun, trace = time.perf_counter(), Trace(frozenset(noted))
    random = generator(seed, "published gmi")
    found, confidence, optimising = [], [], 0.0
    for _ in range(restarts):
        started = time.perf_counter()
        z = prior.sample_latents(len(people), random).requires_grad_()
        velocity = torch.zeros_like(z)
        for step in range(1, steps + 1):
            images = prior.decode(z)
            loss = (100 * F.cross_entropy(target(images), people, reduction="sum") - prior.realism(images).sum()) / 60
            z.grad = None
            loss.backward()
            with torch.no_grad():
                before, velocity = velocity, 0.9 * velocity - 0.02 * z.grad
                z += 1.9 * velocity - 0.9 * before
                z.clamp_(-1, 1)
            trace.note(step, time.perf_counter() - started, z)
        optimising += time.perf_counter() - started
        with torch.no_grad():
            confidence.append(target(prior.decode(z)).softmax(1).gather(1, people[:, None])[:, 0])
        found.append(z.detach())
    best = torch.stack(confidence).argmax(0)
    latents = torch.stack(found)[best, torch.arange(len(people))][:, None]
    return Published(latents, 0.0, optimising, time.perf_counter() - begun, trace)


def ppa(
    target: nn.Module,
    prior: Prior,
    people: Tensor,
    candidates: int,
    keep: int,
    steps: int,
    samples: int,
    views: int,
    noted: Iterable[int],
    seed: int,
) -> Published:
    """PPA (Struppek et al., ICML 2022): the best samples of the prior, Adam on the Poincare loss, choice over views.

    Samples are ranked by the target's mean softmax over the image and its mirror image. Each step shows the target one
    random crop of 90 to 100 % of the area; of the candidates those are kept that it is surest of over `views` crops of
    50 to 90 %, aspect 0.8 to 1.2, mirrored half of the time.
    """
    begun, trace = time.perf_counter(), Trace(frozenset(noted))
    size = prior.resolution
    crop = v2.RandomResizedCrop(size, scale=(0.9, 1.0), ratio=(1.0, 1.0), antialias=True)
    harder = v2.Compose(
        [v2.RandomResizedCrop(size, scale=(0.5, 0.9), ratio=(0.8, 1.2), antialias=True), v2.RandomHorizontalFlip()]
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "published ppa views"))
        with torch.no_grad():
            drawn = prior.sample_latents(samples, generator(seed, "published ppa"))
            ranked = []
            for part in drawn.split(candidates):
                images = prior.decode(part)
                ranked.append((target(images).softmax(1) + target(images.flip(3)).softmax(1)) / 2)
            starts = torch.cat(ranked)[:, people].topk(candidates, dim=0).indices.T
        searched = time.perf_counter() - begun
        found, optimising = [], 0.0
        for person, rows in zip(people, starts, strict=True):
            started = time.perf_counter()
            labels = person.expand(candidates)
            w = drawn[rows].clone().requires_grad_()
            optimiser = torch.optim.Adam([w], lr=0.2, betas=(0.1, 0.1))
            for step in range(1, steps + 1):
                loss = poincare_distance(target(crop(prior.decode(w))), labels).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                with torch.no_grad():
                    w.clamp_(-3, 3)
                trace.note(step, time.perf_counter() - started, w)
            optimising += time.perf_counter() - started
            with torch.no_grad():
                images, score = prior.decode(w), torch.zeros(candidates)
                for _ in range(views):
                    score += target(harder(images)).softmax(1)[:, person]
            found.append(w.detach()[score.topk(keep).indices])
    return Published(torch.stack(found), searched, optimising, time.perf_counter() - begun, trace)


def poincare_distance(logits: Tensor, labels: Tensor) -> Tensor:
    """arccosh(1 + 2 |u - v|^2 / ((1 - |u|^2) (1 - |v|^2))), (n,), of u = logits / |logits|_1 and v the label's corner,
    which PPA pulls 1e-4 inwards so that the distance stays finite."""
    u = logits / logits.norm(p=1, dim=1, keepdim=True)
    v = (F.one_hot(labels, logits.shape[1]) - 1e-4).clamp(0, 1)
    apart = (u - v).pow(2).sum(1)
    inside = (1 - u.pow(2).sum(1)) * (1 - v.pow(2).sum(1))
    return torch.acosh(1 + 2 * apart / inside.clamp_min(1e-9))
