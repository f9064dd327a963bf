"""Another framework in place of our samplers; the journal, the floor, the reference points and the front stay ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from mi_tune.replay.search_methods import SearchMethod, SimulatedStudy
from mi_tune.replay.surface import Surface
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.optuna_private import fixed_params
from mi_tune.search.space import numeric
from mi_tune.search.state import State
from mi_tune.study.journal import Asked


class Framework(Protocol):
    """The interface to another framework. Trials are identified by the numbers of our Optuna study."""

    def learn_floor(self, floor: float | None) -> None:
        """Take note of the floor, a natural accuracy; called before every suggestion."""
        ...

    def suggest(self, number: int) -> dict[str, Any]:
        """Parameters of the next trial; it is pending until `tell` or `drop`."""
        ...

    def attach(self, number: int, params: dict[str, Any]) -> None:
        """A trial starts whose parameters were not suggested by the framework."""
        ...

    def tell(self, number: int, natural: float, attack: float | None) -> None:
        """Report the accuracies of a trial; `attack` is None below the floor."""
        ...

    def drop(self, number: int) -> None:
        """Report that a trial ended without accuracies."""
        ...


class FrameworkSampler(BaseSampler):
    """An Optuna sampler that takes its suggestions from a framework.

    Args:
        space: the searched parameters.
    """

    def __init__(self, space: dict[str, BaseDistribution], framework: Framework) -> None:
        self.space, self.framework = space, framework

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.space

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        # parameters that are fixed already are never asked for
        if (params := fixed_params(trial)) is not None:
            self.framework.attach(trial.number, params)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        proposed = self.framework.suggest(trial.number)
        return {name: _clipped(distribution, proposed[name]) for name, distribution in self.space.items()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise RuntimeError(f"the framework's suggestion lacks {param_name}")


def _clipped(distribution: BaseDistribution, value: Any) -> Any:
    """The value as Optuna expects it; rounding of logarithms may have moved it beyond an end of the range."""
    if isinstance(distribution, CategoricalDistribution):
        return value
    low, high = numeric(distribution).low, numeric(distribution).high
    return type(low)(min(max(value, low), high))


class OutsideStudy(SimulatedStudy):
    """A simulated study whose sampler is another framework, which is told of every trial as soon as it ends."""

    def __init__(self, framework: Framework, surface: Surface, seed: int, min_accuracy_kept: float | None) -> None:
        super().__init__(SearchMethod("random"), surface, seed, min_accuracy_kept)
        self.framework = framework
        self.journal.main.sampler = FrameworkSampler(self.journal.space, framework)
        self.sampler_numbers: dict[int, int] = {}  # of the Optuna study, by our trial numbers

    def ask(self) -> Asked | None:
        self.framework.learn_floor(self.journal.floor())
        asked = super().ask()
        trials = self.journal.main.get_trials(deepcopy=False)
        # reference points outside the space are trials of another Optuna study
        if asked is not None and trials and trials[-1].user_attrs["trial"] == asked.number:
            self.sampler_numbers[asked.number] = trials[-1].number
        return asked

    def tell(self, number: int, state: str, record: dict[str, Any]) -> None:
        # the journal tells Optuna only once the floor is known; a framework need not wait for that
        if number in self.sampler_numbers:
            if state in State.measured():
                self.framework.tell(
                    self.sampler_numbers[number], record["natural_accuracy"], record.get("attack_accuracy")
                )
            else:
                self.framework.drop(self.sampler_numbers[number])
        super().tell(number, state, record)


class OwnRandomState:
    """For one study, its own state of the global random generators of NumPy and torch, which frameworks draw from."""

    def __init__(self, seed: int) -> None:
        self._numpy = np.random.RandomState(derive_seed(seed, "outside", "numpy") % 2**32).get_state()
        self._torch = torch.Generator().manual_seed(derive_seed(seed, "outside", "torch")).get_state()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Within it the global generators are this study's; afterwards they continue from where they were before."""
        others = np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002
        self._set(self._numpy, self._torch)
        try:
            yield
        finally:
            self._numpy, self._torch = np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002
            self._set(*others)

    @staticmethod
    def _set(numpy_state: Any, torch_state: torch.Tensor) -> None:
        np.random.set_state(numpy_state)  # noqa: NPY002
        torch.random.set_rng_state(torch_state)
