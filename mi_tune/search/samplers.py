"""Samplers by name, all behind the same scrambled-Sobol start."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIIISampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import qmc

from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.front_model import Observations
from mi_tune.search.geometry import Geometry, value_at
from mi_tune.search.nehvi import NoisyImprovementSampler

SAMPLERS = ("gp", "nehvi", "tpe", "nsga2", "nsga3", "qmc", "random")
REFERENCE = "reference"
LEAST_PROBABILITY = 0.05
SPREAD = 16
"""First laws that are spread over the erased share. It ties the parameters that erase to each other: of more of them a
model could not tell what each does."""


class SobolStart(BaseSampler):
    """The first `startup` points from a scrambled Sobol sequence, later ones from `model`.

    Where it starts `nehvi`, the first SPREAD of them are spread evenly over the share of the image that they erase: few
    points drawn evenly over probability and area hardly ever erase much.

    Optuna's own QMC sampler draws plain random numbers when it is given to another sampler as its start, and the
    model samplers search only what all earlier trials have in common; here the space is stated.

    Args:
        space: the searched parameters.
        startup: number of Sobol points; None for all points.
        model: sampler of the later points.
        seed: scrambles the sequence. Point k is the same whoever asks for it, so a resumed study repeats none.
    """

    def __init__(
        self, space: dict[str, BaseDistribution], startup: int | None, model: BaseSampler | None, seed: int
    ) -> None:
        self.space, self.startup, self.model, self.seed = space, startup, model, seed

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not self.space or "fixed_params" in trial.system_attrs:
            # what is already decided needs no suggestion
            return {}
        return at_least_probable(self.space, self._propose(study, trial, search_space))

    def _propose(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        if self.model is None or self._starting(study, trial):
            return self._point(self._index(study, trial))
        if isinstance(self.model, TPESampler):
            # jointly, TPE was measured to search two objectives worse than one parameter at a time
            return {
                name: self.model.sample_independent(study, trial, name, distribution)
                for name, distribution in self.space.items()
            }
        # a model without enough finished trials proposes nothing
        return self.model.sample_relative(study, trial, search_space) or self._point(self._index(study, trial))

    def _starting(self, study: Study, trial: FrozenTrial) -> bool:
        return self.startup is not None and len(list(islice(_searched(study, trial), self.startup))) < self.startup

    def _index(self, study: Study, trial: FrozenTrial) -> int:
        """The trial's place in the sequence."""
        return sum(1 for _ in _searched(study, trial))

    def _point(self, index: int) -> dict[str, Any]:
        if isinstance(self.model, NoisyImprovementSampler) and index < SPREAD:
            return spread_point(self.model.geometry, self.seed, index)
        (point,) = sobol_points(self.space, self.seed, index, 1)
        return point

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        # asked for what a model leaves out: genes that NSGA mutates
        if self.model is None:
            return self._point(trial.number)[param_name]
        return self.model.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        if self.model is not None:
            self.model.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        if self.model is not None:
            self.model.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        if self.model is not None:
            self.model.reseed_rng()


def _searched(study: Study, trial: FrozenTrial) -> Iterator[FrozenTrial]:
    """The trials before this one that are no reference points."""
    earlier = (t for t in study.get_trials(deepcopy=False) if t.number < trial.number)
    return (t for t in earlier if not t.user_attrs.get(REFERENCE))


def sobol_points(space: dict[str, BaseDistribution], seed: int, first: int, count: int) -> list[dict[str, Any]]:
    """Points `first` to `first + count - 1` of the Sobol sequence over the space that `seed` scrambles."""
    units = _sobol(len(space), seed, first, count)
    return [{name: value_at(space[name], u) for name, u in zip(space, unit, strict=True)} for unit in units]


def spread_point(geometry: Geometry, seed: int, index: int) -> dict[str, Any]:
    """Point `index` of the Sobol sequence over the geometry's space and the mean erased share, with one more dimension
    for the latter; the plain sequence where the space has no such share."""
    if geometry.shares is None:
        return geometry.params(_sobol(len(geometry.names), seed, index, 1)[0])
    _, low, high = geometry.shares
    *unit, place = _sobol(len(geometry.names) + 1, seed, index, 1)[0]
    return geometry.params(geometry.at_share(np.array(unit), low + place * (high - low)))


def _sobol(dimensions: int, seed: int, first: int, count: int) -> list[np.ndarray]:
    sequence = qmc.Sobol(dimensions, scramble=True, rng=seed)
    if first:
        sequence.fast_forward(first)
    # one at a time: the same points as at once, without a warning where they are not a power of two
    return [sequence.random(1)[0] for _ in range(count)]


def at_least_probable(space: dict[str, BaseDistribution], params: dict[str, Any]) -> dict[str, Any]:
    """The point, moved to where its law erases now and then.

    A law that almost never erases is the reference point without defence again: not worth a trial.
    """
    if "probability" not in params:
        return params
    least = min(LEAST_PROBABILITY, space["probability"].high)  # type: ignore[attr-defined]
    return {**params, "probability": max(params["probability"], least)}


def make_sampler(
    name: str,
    space: dict[str, BaseDistribution],
    seed: int,
    startup: int,
    earlier: int,
    elsewhere: Observations | None = None,
    kept: float | None = None,
) -> BaseSampler:
    """The sampler `name` after `startup` Sobol points.

    Args:
        seed: the study's. earlier: trials that the study has already; a resumed study goes on with other draws.
        elsewhere: trials of another study, or None. `nehvi` starts from what they say, without Sobol points; the
            others do not know what to do with them.
        kept: share of the natural accuracy without defence that the floor is at, for `nehvi` before it is known.

    Raises:
        InputError: unknown name; near ones are offered.
    """
    check_sampler(name)
    draws = derive_seed(seed, "sampler", earlier) % 2**32
    model: BaseSampler | None
    if name == "gp":
        model = GPSampler(
            seed=draws, n_startup_trials=4, deterministic_objective=False, warn_independent_sampling=False
        )
    elif name == "nehvi":
        model = NoisyImprovementSampler(space, draws, elsewhere, kept)
        startup = startup if model.model.elsewhere is None else 0
    elif name == "tpe":
        model = TPESampler(seed=draws, n_startup_trials=0)
    elif name == "nsga2":
        model = NSGAIISampler(seed=draws, population_size=16)
    elif name == "nsga3":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            model = NSGAIIISampler(seed=draws, population_size=16)
    elif name == "random":
        return RandomSampler(seed=draws)
    else:
        model = None
    return SobolStart(space, None if name == "qmc" else startup, model, derive_seed(seed, "sobol") % 2**32)


def check_sampler(name: str) -> None:
    """Raise InputError, offering near names, unless `name` is a sampler."""
    if name not in SAMPLERS:
        near = difflib.get_close_matches(name, SAMPLERS, n=3) or SAMPLERS
        raise InputError(f"unknown sampler '{name}'; did you mean {', '.join(near)}?")
