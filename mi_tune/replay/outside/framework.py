"""A framework in the place of our samplers: the journal, the floor, the references and the front stay ours."""

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

from mi_tune.replay.rivals import Contest, Rival
from mi_tune.replay.surface import Surface
from mi_tune.runtime.seeds import derive_seed
from mi_tune.study.journal import Asked


class Framework(Protocol):
    """What is asked of another framework. Trials go by the numbers that this side gives them."""

    def learn_floor(self, floor: float | None) -> None:
        """Be told of the natural accuracy that is asked for, before every suggestion."""
        ...

    def suggest(self, number: int) -> dict[str, Any]:
        """Parameters of the next trial, which is pending until `tell` or `drop`."""
        ...

    def attach(self, number: int, params: dict[str, Any]) -> None:
        """A trial that was decided elsewhere begins."""
        ...

    def tell(self, number: int, natural: float, attack: float | None) -> None:
        """Accuracies of a trial; no attack accuracy where it was below the floor."""
        ...

    def drop(self, number: int) -> None:
        """A trial ended without accuracies."""
        ...


class FrameworkSampler(BaseSampler):
    """Lets a framework propose the trials of an Optuna study.

    Args:
        space: the searched parameters.
    """

    def __init__(self, space: dict[str, BaseDistribution], framework: Framework) -> None:
        self.space, self.framework = space, framework

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.space

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        # for what is already decided no suggestion will be asked
        if "fixed_params" in trial.system_attrs:
            self.framework.attach(trial.number, trial.system_attrs["fixed_params"])

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        proposed = self.framework.suggest(trial.number)
        return {name: _within(distribution, proposed[name]) for name, distribution in self.space.items()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise RuntimeError(f"{param_name} was left out of a suggestion")


def _within(distribution: BaseDistribution, value: Any) -> Any:
    """The value as Optuna has it: its logarithm and back may have carried it over an end."""
    if isinstance(distribution, CategoricalDistribution):
        return value
    low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
    return type(low)(min(max(value, low), high))


class OutsideContest(Contest):
    """A framework at work in one study: a `Contest` whose sampler it is, and which hears of every trial at once."""

    def __init__(self, framework: Framework, surface: Surface, seed: int, min_accuracy_kept: float | None) -> None:
        super().__init__(Rival("random"), surface, seed, min_accuracy_kept)
        self.framework = framework
        self.journal.main.sampler = FrameworkSampler(self.journal.space, framework)
        self.known_as: dict[int, int] = {}

    def ask(self) -> Asked | None:
        self.framework.learn_floor(self.journal.floor())
        asked = super().ask()
        trials = self.journal.main.get_trials(deepcopy=False)
        # references outside the space are trials of another study
        if asked is not None and trials and trials[-1].user_attrs["trial"] == asked.number:
            self.known_as[asked.number] = trials[-1].number
        return asked

    def tell(self, number: int, state: str, record: dict[str, Any]) -> None:
        # the journal tells Optuna once the floor is known; a framework that goes without one need not wait
        if number in self.known_as:
            if state in ("complete", "infeasible"):
                self.framework.tell(self.known_as[number], record["natural_accuracy"], record.get("attack_accuracy"))
            else:
                self.framework.drop(self.known_as[number])
        super().tell(number, state, record)


class OwnDraws:
    """The global random numbers of NumPy and torch, which frameworks draw from, apart for one search."""

    def __init__(self, seed: int) -> None:
        self._numpy = np.random.RandomState(derive_seed(seed, "outside", "numpy") % 2**32).get_state()
        self._torch = torch.Generator().manual_seed(derive_seed(seed, "outside", "torch")).get_state()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """They are this search's here, and go on after it where they were before."""
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
