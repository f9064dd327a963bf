"""A sampler for few, noisy, parallel trials: the law that improves the front most, over worlds the trials allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import qmc

from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.front import front_mask
from mi_tune.search.front_model import FrontModel, Observations, Worlds
from mi_tune.search.geometry import Geometry
from mi_tune.search.improvement import Staircases

WORLDS = 64
SPREAD, NEAR, REFINED = 896, 128, 64
"""Laws that are looked at: anywhere, near the expected front, and near the best of those, time and again."""
STEPS = (0.08, 0.04)
"""How far from the best, in the unit cube."""
PATIENCE = 200
"""Worlds are drawn anew once one in so many of the trials has finished since: of fewer trials, after each."""
LARGEST = 1 - 1e-9


class NoisyImprovementSampler(BaseSampler):
    """Noisy expected hypervolume improvement (Daulton et al., arXiv 2105.08195), greedy over the trials that run.

    Worlds are drawn from `FrontModel`; the front of each is made of what all finished laws are *truly* worth there,
    so a lucky measurement promises nothing, and of what the running ones will be. The next law is the one that adds
    most, averaged over the worlds. Trials below the floor add nothing; stopped ones inform the model as far as they
    came, and those that Optuna is told of only once the floor is known inform it before. No state but caches: another
    process goes on from the study alone.

    What is out is followed at once; what came back, only when it is enough to change the picture, see PATIENCE. So a
    suggestion costs about the same whether one trial runs or a thousand, and whether a hundred are finished or many
    thousands.

    Args:
        space: the searched parameters. seed: every draw derives from it and the trial's number.
        elsewhere: trials of another study that the model starts from, or None.
        kept: share of the natural accuracy without defence that the floor is at, or None.
    """

    def __init__(
        self,
        space: dict[str, BaseDistribution],
        seed: int,
        elsewhere: Observations | None = None,
        kept: float | None = None,
    ) -> None:
        self.geometry, self.seed, self.kept = Geometry(space), seed, kept
        self.model = FrontModel(self.geometry, elsewhere)
        self._rest = RandomSampler(seed=seed % 2**32)
        # what was seen of the study: places of open trials in the unit cube, as far as they have any; finished ones
        self._looked, self._open = 0, dict[int, np.ndarray | None]()
        self._numbers, self._observed = list[int](), Observations.of(self.geometry, [])
        self._now: _Worlds | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.geometry.space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        trials = study.get_trials(deepcopy=False)
        rng = np.random.default_rng(derive_seed(self.seed, "nehvi", trial.number))
        self._look(trials)
        running = {number: unit for number, unit in self._open.items() if unit is not None and number != trial.number}
        finished = len(self._observed)
        if self._now is None or finished >= self._now.finished + max(1, (finished + len(running)) // PATIENCE):
            if not self.model.enough(self._observed):
                return {}
            observed = self._observed.take(np.argsort(np.array(self._numbers)))
            self._now = _Worlds(self.model.update(observed), observed, self._floor(trials), rng)
        self._now.expect(running)
        return self.geometry.params(self._now.best(rng))

    def _floor(self, trials: list[FrozenTrial]) -> float | None:
        """The floor, or what it will be about: no law is much better than no defence."""
        known = floor_of(trials)
        if known is not None or self.kept is None:
            return known
        return self.kept * float(np.nanmax(self._observed.natural, initial=0.0))

    def _look(self, trials: list[FrozenTrial]) -> None:
        """Take note of what has begun and what has finished since the last time."""
        open_then = self._open | dict.fromkeys(range(self._looked, len(trials)))
        self._looked = len(trials)
        finished = [t for t in map(trials.__getitem__, open_then) if _over(t)]
        placed = [t for t in finished if self._placed(t)]
        self._numbers += [t.number for t in placed]
        self._observed = self._observed.joined(observations(self.geometry, placed))
        for trial in finished:
            del open_then[trial.number]
        for number, unit in open_then.items():
            if unit is None and trials[number].state == TrialState.RUNNING and self._placed(trials[number]):
                open_then[number] = self.geometry.units([trials[number].params])[0]
        self._open = open_then

    def _placed(self, trial: FrozenTrial) -> bool:
        return all(name in trial.params for name in self.geometry.names)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._rest.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        self._rest.reseed_rng()


class _Worlds:
    """Fronts of several worlds, the running trials on them, and the search for what adds most."""

    def __init__(
        self, model: FrontModel, observed: Observations, floor: float | None, rng: np.random.Generator
    ) -> None:
        self.geometry = model.geometry
        self.finished = len(observed)
        self.worlds: Worlds = model.paths(WORLDS, rng)
        held = observed.take(model.held)
        measured = held.units[np.isfinite(held.attack) & (held.attacked == 1)]
        self.fronts = Staircases(*self.worlds(measured), floor)
        self.expected: set[int] = set()
        known = measured if model.elsewhere is None else np.concatenate([measured, model.elsewhere.units])
        natural, attack = model.expected(known)
        value = natural * (1 - attack)
        self.centres = known[_best(natural, attack, value)]
        spread = qmc.Sobol(len(self.geometry.names), scramble=True, rng=rng).random(SPREAD + NEAR)[:SPREAD]
        self._hold(np.concatenate([spread, self._around(self.centres, NEAR, 0.12, rng)]))

    def _hold(self, candidates: np.ndarray) -> None:
        self.candidates = candidates
        self.values = self.worlds(candidates)

    def expect(self, running: Mapping[int, np.ndarray]) -> None:
        """Take note of running trials, by their numbers: what they will add cannot be added again."""
        new = [number for number in running if number not in self.expected]
        if new:
            self.expected.update(new)
            self.fronts.add(*self.worlds(np.array([running[number] for number in new])))

    def best(self, rng: np.random.Generator) -> np.ndarray:
        points, gain = self.candidates, self.fronts.gain(*self.values)
        for step in STEPS:
            top = np.argsort(-gain)[:4]
            near = self._around(points[top], REFINED, step, rng)
            points = np.concatenate([points[top], near])
            gain = np.concatenate([gain[top], self.fronts.gain(*self.worlds(near))])
        return points[gain.argmax()]

    def _around(self, centres: np.ndarray, count: int, step: float, rng: np.random.Generator) -> np.ndarray:
        """Points near the centres: a few parameters moved a little, now and then one to anywhere."""
        start = centres[rng.integers(len(centres), size=count)]
        moved = start + step * rng.standard_normal(start.shape) * (rng.random(start.shape) < 0.6)
        anywhere = rng.random(start.shape) < 0.5 / start.shape[1]
        return np.clip(np.where(anywhere, rng.random(start.shape), moved), 0, LARGEST)


def _best(natural: np.ndarray, attack: np.ndarray, value: np.ndarray, most: int = 8) -> np.ndarray:
    """Indices of the expected front, or the best of it by `value`."""
    front = np.flatnonzero(front_mask(natural, attack))
    return front[np.argsort(-value[front], kind="stable")[:most]]


def observations(geometry: Geometry, trials: list[FrozenTrial]) -> Observations:
    """What a study's trials say, by what the journal wrote beside them, also before Optuna is told."""
    rows = []
    for trial in trials:
        attributes = trial.user_attrs
        row: dict[str, Any] = {"params": trial.params}
        if attributes.get("state") in ("complete", "infeasible"):
            row["natural"] = _number(attributes.get("natural_accuracy"))
            row["attack"] = _number(attributes.get("attack_accuracy"))
        elif attributes.get("state") == "stopped":
            row["natural"] = _number(attributes.get("natural_accuracy"))
            row["attack"] = _number(attributes.get("attack_accuracy_so_far"))
            row["attacked"] = attributes.get("attacked") or 1.0
        if seen := attributes.get("rungs"):
            row["early_natural"], row["early_attack"] = (_number(value) for value in seen[0])
        rows.append(row)
    return Observations.of(geometry, rows)


def _over(trial: FrozenTrial) -> bool:
    """Whether a trial's results are in, if only in its attributes: Optuna is told once the floor is known."""
    return trial.state.is_finished() or trial.user_attrs.get("state", "running") != "running"


def floor_of(trials: list[FrozenTrial]) -> float | None:
    """The natural accuracy that the latest trial was held against, if any."""
    for trial in reversed(trials):
        excess = trial.constraints.get("natural_accuracy_floor") if trial.state == TrialState.COMPLETE else None
        if excess is not None:
            return excess + trial.values[0]
    return None


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
