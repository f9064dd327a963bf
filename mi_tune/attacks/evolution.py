"""Optimisers without gradients: populations that are bred or sampled, one population per person."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from mi_tune.attacks.parts import Constraint, Draw, Found, Latent, Mover, Passes
from mi_tune.attacks.retirement import Retire
from mi_tune.runtime.errors import InputError

if TYPE_CHECKING:
    from cmaes import SepCMA


class PopulationRule:
    """What population optimisers say about themselves; see `mi_tune.attacks.parts.Optimiser`.

    A population searches one person, whatever the latent and the number of candidates, which are its best members at
    the end. A person is done at a confidence of `stop`; single candidates do not retire.
    """

    population: int

    follows_gradients = False
    hard_labels_only = False
    extra_budget_in_steps = True

    def scaled(self, factor: int) -> Self:
        return self

    def passes(self, latent: Latent, people: int, candidates: int, steps: int) -> Passes:
        """Every member is one forward pass in every step."""
        return Passes(steps * people * self.population, 0)


class _Archive:
    """The best latents of each person so far, without duplicates."""

    def __init__(self, start: Tensor) -> None:
        self.latents = start.clone()
        self.loss = torch.full(start.shape[:2], torch.inf, device=start.device)

    def add(self, latents: Tensor, loss: Tensor) -> None:
        """latents (people, m, dim), loss (people, m)."""
        keep = self.loss.shape[1]
        loss, order = torch.cat([self.loss, loss], 1).sort(dim=1, stable=True)
        latents = _rows(torch.cat([self.latents, latents], 1), order)
        # members that the population keeps unchanged come back at every step: they count once
        again = (latents[:, 1:] == latents[:, :-1]).all(2)
        loss[:, 1:] = loss[:, 1:].masked_fill(again, torch.inf)
        self.loss, order = loss.sort(dim=1, stable=True)
        self.loss, self.latents = self.loss[:, :keep], _rows(latents, order[:, :keep])


class _Population(ABC):
    """What the population optimisers share: the best latents, and which people are still searched."""

    follows_gradients = False

    def __init__(self, start: Tensor, constraint: Constraint, stop: float) -> None:
        self.archive = _Archive(start)
        self.stop = stop
        people, _, dim = start.shape
        centre = start[:, :1].expand(-1, 1, dim).reshape(people, dim)
        self.project = constraint.around(centre)
        self.active = torch.arange(people, device=start.device)

    def ask(self, random: torch.Generator) -> Draw:
        if not len(self.active):
            nothing = self.active.new_zeros(0)
            return Draw(self.archive.latents.new_zeros(0, self.archive.latents.shape[2]), nothing, nothing)
        self.proposed = self.propose(random)
        people, m, dim = self.proposed.shape
        owners = self.active.repeat_interleave(m)
        self.proposed = self.project(self.proposed.flatten(0, 1), owners).view(people, m, dim)
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

    @abstractmethod
    def propose(self, random: torch.Generator) -> Tensor:
        """The next latents of the active people, (active, m, dim)."""

    @abstractmethod
    def learn(self, loss: Tensor) -> None:
        """Take in the losses (active, m) of the proposed latents after projection (`self.proposed`)."""

    @abstractmethod
    def forget(self, solved: Tensor) -> None:
        """Drop the solved ones of the active people, bool (active,)."""

    def result(self, random: torch.Generator) -> Tensor:
        return self.archive.latents


@dataclass(frozen=True)
class Genetic(PopulationRule):
    """Genetic search of black-box MIRROR (An et al., NDSS 2022): a population per person, selected by fitness.

    Parents are drawn with probability softmax(-loss / standard deviation of the losses). A child takes each coordinate
    from one of two parents. Each coordinate mutates with probability `mutation`, by normal noise with standard
    deviation `spread`. The best `elite` members go on unchanged. The first population is `start` with normal noise.

    Args:
        population: latents per person (the paper: 1000). stop: confidence at which a person is done (the paper: .95).
    """

    population: int = 40
    mutation: float = 0.1
    spread: float = 1.0
    elite: int = 4
    stop: float = 0.95

    def start(self, start: Tensor, latent: Latent, constraint: Constraint, retire: Retire | None = None) -> Mover:
        return _Genetic(self, start, constraint)


class _Genetic(_Population):
    def __init__(self, rule: Genetic, start: Tensor, constraint: Constraint) -> None:
        super().__init__(start, constraint, rule.stop)
        self.rule, self.start = rule, start
        self.parents: tuple[Tensor, Tensor] | None = None
        """Latents (active, m, dim) and losses (active, m) of the last population."""

    def propose(self, random: torch.Generator) -> Tensor:
        rule, device = self.rule, self.start.device
        if self.parents is None:
            return self._first(random)
        parents, loss = self.parents
        m = parents.shape[1]
        spread = loss.std(1, keepdim=True).clamp_min(1e-6)
        chance = (-(loss - loss.amin(1, keepdim=True)) / spread).softmax(1)
        pairs = torch.multinomial(chance, 2 * (m - rule.elite), replacement=True, generator=random)
        mother, father = (_rows(parents, half) for half in pairs.chunk(2, dim=1))
        child = torch.where(torch.rand(mother.shape, device=device, generator=random) < 0.5, mother, father)
        mutated = torch.rand(child.shape, device=device, generator=random) < rule.mutation
        child = child + mutated * rule.spread * torch.randn(child.shape, device=device, generator=random)
        best = loss.argsort(dim=1, stable=True)[:, : rule.elite]
        return torch.cat([_rows(parents, best), child], 1)

    def _first(self, random: torch.Generator) -> Tensor:
        candidates = self.start.shape[1]
        repeats = -(-self.rule.population // candidates)
        first = self.start.repeat(1, repeats, 1)[:, : self.rule.population]
        noise = torch.randn(first.shape, device=first.device, generator=random) * self.rule.spread / 2
        noise[:, : min(candidates, self.rule.population)] = 0
        return first + noise

    def learn(self, loss: Tensor) -> None:
        self.parents = self.proposed, loss

    def forget(self, solved: Tensor) -> None:
        assert self.parents is not None, "forget comes after learn"
        latents, loss = self.parents
        self.parents = latents[~solved], loss[~solved]


def _rows(population: Tensor, index: Tensor) -> Tensor:
    """Members (people, k, dim) of a population (people, m, dim) at index (people, k)."""
    return population.gather(1, index[..., None].expand(-1, -1, population.shape[2]))


@dataclass(frozen=True)
class CMAES(PopulationRule):
    """CMA-ES with a diagonal covariance (Ros and Hansen, PPSN 2008), from the library `cmaes`: one search per person.

    Each search begins at the person's first candidate.

    Args:
        population: latents per person and step. sigma: first step size, in standard deviations of the latents.
        stop: confidence at which a person is done.
    """

    population: int = 20
    sigma: float = 0.7
    stop: float = 0.999

    def start(self, start: Tensor, latent: Latent, constraint: Constraint, retire: Retire | None = None) -> Mover:
        """Raises InputError for latents with one dimension."""
        if start.shape[2] < 2:
            raise InputError("CMA-ES needs a prior with two or more latent dimensions; choose a larger prior")
        return _CMAES(self, start, constraint)


class _CMAES(_Population):
    def __init__(self, rule: CMAES, start: Tensor, constraint: Constraint) -> None:
        super().__init__(start, constraint, rule.stop)
        self.rule, self.device = rule, start.device
        self.first = start[:, 0].cpu().numpy().astype(float)
        self.searches: list[SepCMA] = []

    def propose(self, random: torch.Generator) -> Tensor:
        if not self.searches:  # the first step: later ones propose only while a person, and so a search, is active
            from cmaes import SepCMA  # slow to import

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
