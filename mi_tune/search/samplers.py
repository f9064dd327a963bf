"""Samplers by name, all started with the same scrambled Sobol sequence."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIIISampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import qmc

from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import OwnFactory
from mi_tune.runtime.seeds import derive_seed
from mi_tune.runtime.wording import did_you_mean
from mi_tune.search.by_trial import ByTrial
from mi_tune.search.geometry import Geometry
from mi_tune.search.mixes import as_search_space
from mi_tune.search.nehvi import NoisyImprovementSampler
from mi_tune.search.observations import Observations
from mi_tune.search.optuna_private import fixed_params
from mi_tune.search.space import numeric

REFERENCE = "reference"
"""Attribute of a trial that names its reference point."""
MIN_PROBABILITY = 0.05
"""Lowest erasing probability that is proposed."""
SHARE_SPREAD_LAWS = 16
"""How many of the first laws are spread evenly over the erased share. This correlates the parameters that decide the
share: with more such laws, a model could not separate their effects."""


class SobolStart(BaseSampler):
    """Takes the first `startup` points from a scrambled Sobol sequence (Owen scrambling), later ones from `model`.

    For `nehvi` the first SHARE_SPREAD_LAWS points are spread evenly over the erased share: a few points that are spread
    evenly over probability and area hardly ever erase much.

    Optuna's own `QMCSampler` draws independent random numbers when another sampler uses it for its start, and Optuna's
    model samplers search only the parameters that all earlier trials share; here the space is given.

    Args:
        space: the searched parameters.
        startup: number of Sobol points; None: all points.
        model: sampler of the later points.
        seed: scrambles the sequence. Point k does not depend on which process asks for it, so that a resumed study
            repeats none.
    """

    def __init__(
        self, space: dict[str, BaseDistribution], startup: int | None, model: BaseSampler | None, seed: int
    ) -> None:
        self.space, self.startup, self.model, self.seed = as_search_space(space), startup, model, seed
        self._geometry = Geometry(self.space)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not self.space or fixed_params(trial) is not None:
            # the parameters of this trial are fixed already
            return {}
        return with_min_probability(self.space, self._geometry.allowed(self._propose(study, trial, search_space)))

    def _propose(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        if self.model is None or self._is_startup(study, trial):
            return self._point(self._index(study, trial))
        if isinstance(self.model, ByTrial) and self.model.kind is TPESampler:
            # measured: with two objectives, multivariate TPE searches worse than one parameter at a time
            return {
                name: self.model.sample_independent(study, trial, name, distribution)
                for name, distribution in self.space.items()
            }
        if self.space.switches and not isinstance(self.model, NoisyImprovementSampler):
            return self._with_independent(study, trial)
        # a model without enough finished trials returns nothing
        return self.model.sample_relative(study, trial, search_space) or self._point(self._index(study, trial))

    def _with_independent(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """Optuna's samplers model what every trial has; what exists at some points only they draw one by one."""
        assert self.model is not None
        always = {name: d for name, d in self.space.items() if self.space.switch_of(name) is None}
        drawn = self.model.sample_relative(study, trial, always)
        return {
            name: drawn[name] if name in drawn else self.model.sample_independent(study, trial, name, distribution)
            for name, distribution in self.space.items()
        }

    def _is_startup(self, study: Study, trial: FrozenTrial) -> bool:
        return self.startup is not None and len(list(islice(_searched(study, trial), self.startup))) < self.startup

    def _index(self, study: Study, trial: FrozenTrial) -> int:
        """The trial's index in the Sobol sequence."""
        return sum(1 for _ in _searched(study, trial))

    def _point(self, index: int) -> dict[str, Any]:
        if isinstance(self.model, NoisyImprovementSampler) and index < SHARE_SPREAD_LAWS:
            return share_spread_point(self.model.geometry, self.seed, index)
        (point,) = sobol_points(self.space, self.seed, index, 1)
        return point

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        # called for parameters that a model leaves out, such as mutated genes of NSGA-II
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
    """The trials before this one, without reference points."""
    earlier = (t for t in study.get_trials(deepcopy=False) if t.number < trial.number)
    return (t for t in earlier if not t.user_attrs.get(REFERENCE))


def sobol_points(space: dict[str, BaseDistribution], seed: int, first: int, count: int) -> list[dict[str, Any]]:
    """Points `first` to `first + count - 1` of the Sobol sequence over the space, scrambled by `seed`."""
    geometry = Geometry(space)
    return [geometry.params(unit) for unit in _sobol(len(space), seed, first, count)]


def share_spread_point(geometry: Geometry, seed: int, index: int) -> dict[str, Any]:
    """Point `index` of a Sobol sequence that is spread evenly over the mean erased share.

    The sequence has one more dimension, for the share; each point is moved to its share, see `Geometry.at_share`. If
    the space has no such share, it is the plain Sobol sequence.
    """
    if geometry.shares is None:
        return geometry.params(_sobol(len(geometry.names), seed, index, 1)[0])
    _, low, high = geometry.shares
    *unit, place = _sobol(len(geometry.names) + 1, seed, index, 1)[0]
    return geometry.params(geometry.at_share(np.array(unit), low + place * (high - low)))


def _sobol(dimensions: int, seed: int, first: int, count: int) -> list[np.ndarray]:
    sequence = qmc.Sobol(dimensions, scramble=True, rng=seed)
    if first:
        sequence.fast_forward(first)
    # one at a time: the same points, without SciPy's warning that their number is no power of two
    return [sequence.random(1)[0] for _ in range(count)]


def with_min_probability(space: dict[str, BaseDistribution], params: dict[str, Any]) -> dict[str, Any]:
    """The point with its probability raised to at least MIN_PROBABILITY, as far as the space allows.

    A law that almost never erases would repeat the reference point without defence, which is not worth a trial.
    """
    if "probability" not in params:
        return params
    least = min(MIN_PROBABILITY, numeric(space["probability"]).high)
    return {**params, "probability": max(params["probability"], least)}


@dataclass(frozen=True)
class Wanted:
    """What a sampler is made from.

    Args:
        space: the searched parameters. seed: of the sampler's own draws. sobol_seed: of the Sobol points.
        startup: number of Sobol points before the sampler proposes anything.
        earlier: trials of an earlier study, or None. kept: floor as a share of the natural accuracy without defence.
    """

    space: dict[str, BaseDistribution]
    seed: int
    sobol_seed: int
    startup: int
    earlier: Observations | None = None
    kept: float | None = None

    def after_start(self, model: BaseSampler | None, startup: int | None) -> SobolStart:
        """The sampler behind `startup` Sobol points; None: nothing but these."""
        return SobolStart(self.space, startup, model, self.sobol_seed)

    def by_trial(self, make: Callable[[int], BaseSampler]) -> ByTrial:
        """The sampler that `make` returns for a seed, made anew for every trial."""
        return ByTrial(make, self.seed)


Factory = Callable[[Wanted], BaseSampler]


def _gp(wanted: Wanted) -> BaseSampler:
    make = lambda seed: GPSampler(  # noqa: E731
        seed=seed, n_startup_trials=4, deterministic_objective=False, warn_independent_sampling=False
    )
    return wanted.after_start(wanted.by_trial(make), wanted.startup)


def _nehvi(wanted: Wanted) -> BaseSampler:
    model = NoisyImprovementSampler(wanted.space, wanted.seed, wanted.earlier, wanted.kept)
    return wanted.after_start(model, wanted.startup if model.model.earlier is None else 0)


def _tpe(wanted: Wanted) -> BaseSampler:
    make = lambda seed: TPESampler(seed=seed, n_startup_trials=0)  # noqa: E731
    return wanted.after_start(wanted.by_trial(make), wanted.startup)


def _nsga2(wanted: Wanted) -> BaseSampler:
    make = lambda seed: NSGAIISampler(seed=seed, population_size=16)  # noqa: E731
    return wanted.after_start(wanted.by_trial(make), wanted.startup)


def _nsga3(wanted: Wanted) -> BaseSampler:
    def make(seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return NSGAIIISampler(seed=seed, population_size=16)

    return wanted.after_start(wanted.by_trial(make), wanted.startup)


def _random(wanted: Wanted) -> BaseSampler:
    model = wanted.by_trial(lambda seed: RandomSampler(seed=seed))
    # where parameters depend on switches, the proposals must be mixes that are allowed
    return wanted.after_start(model, 0) if as_search_space(wanted.space).switches else model


SAMPLERS: dict[str, Factory] = {
    "gp": _gp,
    "nehvi": _nehvi,
    "tpe": _tpe,
    "nsga2": _nsga2,
    "nsga3": _nsga3,
    "qmc": lambda wanted: wanted.after_start(None, None),
    "random": _random,
}
"""The samplers by name. `nehvi` takes an earlier study as the prior of its model, without Sobol points, and uses the
floor before it is known; the others ignore both."""


class SamplerSource(OwnFactory):
    """A user's own sampler, a function from the space and a seed to an Optuna sampler: see `OwnFactory`."""

    kind: ClassVar[str] = "sampler"


def own_sampler(factory: str, wanted: Wanted) -> BaseSampler:
    """The sampler of a user's factory, behind the usual Sobol points.

    factory: `package.module:factory` or `path/to/file.py:factory`, called with the space, a dictionary of Optuna
    distributions by name, and a seed. Raises InputError if it does not return an Optuna sampler.
    """
    source = SamplerSource(factory)

    def make(seed: int) -> BaseSampler:
        made = source.call(wanted.space, seed)
        if not isinstance(made, BaseSampler):
            raise InputError(f"{source}: returns a {type(made).__name__}, not a sampler (optuna.samplers.BaseSampler)")
        return made

    return wanted.after_start(wanted.by_trial(make), wanted.startup)


def make_sampler(
    name: str,
    space: dict[str, BaseDistribution],
    seed: int,
    startup: int,
    earlier: Observations | None = None,
    kept: float | None = None,
) -> BaseSampler:
    """Make the sampler `name`, of `SAMPLERS` or a user's own, to be used after `startup` Sobol points.

    Args:
        seed: the study's seed.
        earlier, kept: see `Wanted`.

    Raises:
        InputError: unknown name, with similar ones; or see `own_sampler`.
    """
    draws, sobol = derive_seed(seed, "sampler", 0) % 2**32, derive_seed(seed, "sobol") % 2**32
    wanted = Wanted(space, draws, sobol, startup, earlier, kept)
    check_sampler(name)
    return own_sampler(name, wanted) if ":" in name else SAMPLERS[name](wanted)


def check_sampler(name: str) -> None:
    """Raise InputError, with similar names, unless `name` is a sampler or the import path of one that is there."""
    if ":" in name:
        SamplerSource(name).check()
    elif name not in SAMPLERS:
        raise InputError(f"unknown sampler '{name}'; {did_you_mean(name, SAMPLERS)}")
