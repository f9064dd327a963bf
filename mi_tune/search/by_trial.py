"""A sampler whose draws depend on the trial they are for and on nothing that this process remembers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from mi_tune.runtime.seeds import derive_seed


class ByTrial(BaseSampler):
    """Another sampler, made anew for every trial, with a seed of that trial.

    A sampler draws from one stream of random numbers, and some start a fit from the last one. A process that resumes a
    study has neither. With this, a law depends on the study's trials and the number of its own, so that a resumed study
    proposes what it would have proposed undisturbed.

    Args:
        make: returns the sampler for a seed. seed: of the study's sampler.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self.make, self.seed = make, seed
        self._latest = -1, make(self._seed_of(0))

    def _seed_of(self, number: int) -> int:
        return derive_seed(self.seed, "trial", number) % 2**32

    def of(self, trial: FrozenTrial) -> BaseSampler:
        """The sampler of a trial."""
        if self._latest[0] != trial.number:
            self._latest = trial.number, self.make(self._seed_of(trial.number))
        return self._latest[1]

    @property
    def kind(self) -> type[BaseSampler]:
        """Class of the samplers."""
        return type(self._latest[1])

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.of(trial).sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.of(trial).before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        self.of(trial).after_trial(study, trial, state, values)
