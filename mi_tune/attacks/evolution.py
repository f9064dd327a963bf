"""How latents move without gradients: populations that are bred or sampled, one per class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from cmaes import SepCMA
from torch import Tensor

from mi_tune.attacks.latents import Draw, Gaussian, Point
from mi_tune.attacks.optimisers import Constraint, Found, Mover, Retire
from mi_tune.runtime.errors import InputError


class _Archive:
    """The best latents of each class so far, each once."""

    def __init__(self, start: Tensor) -> None:
        self.latents = start.clone()
        self.loss = torch.full(start.shape[:2], torch.inf, device=start.device)

    def add(self, latents: Tensor, loss: Tensor) -> None:
        """latents (classes, m, dim), loss (classes, m)."""
        keep = self.loss.shape[1]
        loss, order = torch.cat([self.loss, loss], 1).sort(dim=1, stable=True)
        latents = _rows(torch.cat([self.latents, latents], 1), order)
        # what a population carries on unchanged is found again at every step: it counts once
        again = (latents[:, 1:] == latents[:, :-1]).all(2)
        loss[:, 1:] = loss[:, 1:].masked_fill(again, torch.inf)
        self.loss, order = loss.sort(dim=1, stable=True)
        self.loss, self.latents = self.loss[:, :keep], _rows(latents, order[:, :keep])


class _Population:
    """What the population rules share: `population` latents a class, and which classes still search."""

    gradient = False

    def __init__(self, start: Tensor, constraint: Constraint, stop: float) -> None:
        self.archive = _Archive(start)
        self.stop = stop
        classes, _, dim = start.shape
        centre = start[:, :1].expand(-1, 1, dim).reshape(classes, dim)
        self.project = constraint.around(centre)
        self.active = torch.arange(classes, device=start.device)

    def ask(self, random: torch.Generator) -> Draw:
        if not len(self.active):
            nothing = self.active.new_zeros(0)
            return Draw(self.archive.latents.new_zeros(0, self.archive.latents.shape[2]), nothing, nothing)
        self.proposed = self.propose(random)
        classes, m, dim = self.proposed.shape
        owners = self.active.repeat_interleave(m)
        self.proposed = self.project(self.proposed.flatten(0, 1), owners).view(classes, m, dim)
        return Draw(self.proposed.flatten(0, 1), owners, torch.arange(len(owners), device=owners.device))

    def tell(self, found: Found) -> None:
        loss = found.loss.view(self.proposed.shape[:2])
        losses = torch.full((len(self.archive.loss), loss.shape[1]), torch.inf, device=loss.device)
        latents = torch.zeros(len(losses), *self.proposed.shape[1:], device=loss.device)
        losses[self.active], latents[self.active] = loss, self.proposed
        self.archive.add(latents, losses)
        self.learn(loss)
        solved = found.confidence.view(loss.shape).amax(1) >= self.stop
        self.active = self.active[~solved]
        self.forget(solved)

    def propose(self, random: torch.Generator) -> Tensor:
        """The next latents of the active classes, (active, m, dim)."""
        raise AttributeError(f"{type(self).__name__} does not propose")

    def learn(self, loss: Tensor) -> None:
        """Losses (active, m) of what was proposed, after projection (`self.proposed`)."""

    def forget(self, solved: Tensor) -> None:
        """Drop the solved among the active classes (bool)."""

    def result(self, random: torch.Generator) -> Tensor:
        return self.archive.latents


@dataclass(frozen=True)
class Genetic:
    """MIRROR's black-box search (An et al., NDSS 2022): a population per class, bred by fitness.

    Parents are drawn with probability softmax(-loss / temperature of the losses' spread); a child takes each coordinate
    from one of two parents and each coordinate mutates with probability `mutation` by a normal of `spread`. The best
    `elite` go on unchanged.

    Args:
        population: latents per class (the paper: 1000). stop: confidence at which a class is done (.95).
    """

    population: int = 40
    mutation: float = 0.1
    spread: float = 1.0
    elite: int = 4
    stop: float = 0.95

    def start(
        self, start: Tensor, latent: Point | Gaussian, constraint: Constraint, retire: Retire | None = None
    ) -> Mover:
        """Begin with `start` (classes, candidates, dim) and normal draws around it."""
        return _Genetic(self, start, constraint)


class _Genetic(_Population):
    def __init__(self, rule: Genetic, start: Tensor, constraint: Constraint) -> None:
        super().__init__(start, constraint, rule.stop)
        self.rule, self.start = rule, start
        self.parents: Tensor | None = None
        self.loss: Tensor | None = None

    def propose(self, random: torch.Generator) -> Tensor:
        rule, device = self.rule, self.start.device
        if self.parents is None:
            return self._first(random)
        m = self.parents.shape[1]
        spread = self.loss.std(1, keepdim=True).clamp_min(1e-6)
        chance = (-(self.loss - self.loss.amin(1, keepdim=True)) / spread).softmax(1)
        pairs = torch.multinomial(chance, 2 * (m - rule.elite), replacement=True, generator=random)
        mother, father = (_rows(self.parents, half) for half in pairs.chunk(2, dim=1))
        child = torch.where(torch.rand(mother.shape, device=device, generator=random) < 0.5, mother, father)
        mutated = torch.rand(child.shape, device=device, generator=random) < rule.mutation
        child = child + mutated * rule.spread * torch.randn(child.shape, device=device, generator=random)
        best = self.loss.argsort(dim=1, stable=True)[:, : rule.elite]
        return torch.cat([_rows(self.parents, best), child], 1)

    def _first(self, random: torch.Generator) -> Tensor:
        candidates = self.start.shape[1]
        repeats = -(-self.rule.population // candidates)
        first = self.start.repeat(1, repeats, 1)[:, : self.rule.population]
        noise = torch.randn(first.shape, device=first.device, generator=random) * self.rule.spread / 2
        noise[:, : min(candidates, self.rule.population)] = 0
        return first + noise

    def learn(self, loss: Tensor) -> None:
        self.parents, self.loss = self.proposed, loss

    def forget(self, solved: Tensor) -> None:
        self.parents, self.loss = self.parents[~solved], self.loss[~solved]


def _rows(population: Tensor, index: Tensor) -> Tensor:
    """Members (classes, k, dim) of a population (classes, m, dim) at index (classes, k)."""
    return population.gather(1, index[..., None].expand(-1, -1, population.shape[2]))


@dataclass(frozen=True)
class CMAES:
    """CMA-ES with a diagonal covariance (Ros and Hansen, PPSN 2008), by the library `cmaes`: one search per class.

    Args:
        population: latents per class and step. sigma: first step size, in standard deviations of the latents.
        stop: confidence at which a class is done.
    """

    population: int = 20
    sigma: float = 0.7
    stop: float = 0.999

    def start(
        self, start: Tensor, latent: Point | Gaussian, constraint: Constraint, retire: Retire | None = None
    ) -> Mover:
        """Begin at the first candidate of each class of `start` (classes, candidates, dim)."""
        if start.shape[2] < 2:
            raise InputError("CMA-ES needs a prior with two or more latent dimensions")
        return _CMAES(self, start, constraint)


class _CMAES(_Population):
    def __init__(self, rule: CMAES, start: Tensor, constraint: Constraint) -> None:
        super().__init__(start, constraint, rule.stop)
        self.rule, self.device = rule, start.device
        self.first = start[:, 0].cpu().numpy().astype(float)
        self.searches: list[SepCMA] | None = None

    def propose(self, random: torch.Generator) -> Tensor:
        if self.searches is None:
            seeds = torch.randint(2**31, (len(self.first),), device=random.device, generator=random).tolist()
            self.searches = [
                SepCMA(mean=mean, sigma=self.rule.sigma, population_size=self.rule.population, seed=seed)
                for mean, seed in zip(self.first, seeds, strict=True)
            ]
        asked = np.array([[search.ask() for _ in range(self.rule.population)] for search in self.searches])
        return torch.from_numpy(asked).float().to(self.device)

    def learn(self, loss: Tensor) -> None:
        latents, losses = self.proposed.double().cpu().numpy(), loss.double().cpu().numpy()
        for search, own, values in zip(self.searches, latents, losses, strict=True):
            search.tell(list(zip(own, values, strict=True)))

    def forget(self, solved: Tensor) -> None:
        self.searches = [s for s, done in zip(self.searches, solved.tolist(), strict=True) if not done]
