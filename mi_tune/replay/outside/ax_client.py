"""Ax: its default multi-objective Bayesian search, qLogNEHVI on Gaussian processes, behind its `Client`.

Source: Ax 1.3, `ax/api/client.py`; Ament et al., "Unexpected Improvements to Expected Improvement" (NeurIPS 2023).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig
from ax.utils.common.logger import set_ax_logger_levels
from optuna.distributions import BaseDistribution, CategoricalDistribution

from mi_tune.erasing import ErasingLaw
from mi_tune.replay.outside.framework import OutsideStudy, OwnRandomState
from mi_tune.replay.search_methods import STARTUP
from mi_tune.replay.surface import Surface
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.front import HYPERVOLUME_REFERENCE, front_mask, hypervolume
from mi_tune.search.space import distributions, numeric, params_of

THRESHOLDS = [f"natural >= {HYPERVOLUME_REFERENCE[0]}", f"attack <= {HYPERVOLUME_REFERENCE[1]}"]
"""Objective thresholds: the reference point of the hypervolume by which searches are compared."""


class AxFramework:
    """Ax with its default settings wherever possible.

    As with our methods: it knows the pending trials, reference points among them, and its initial design (the centre
    of the space, then Sobol) has as many laws as ours. The floor is an outcome constraint on natural accuracy under a
    second name, because a constraint on an objective would become the reference point of its hypervolume, which is a
    different problem from ours. For a law below the floor, no attack accuracy is reported, and no substitute.
    Different from ours: it continues with Sobol laws while fewer than half of the design have been reported, and it
    infers the noise, because no standard errors are reported.
    """

    def __init__(self, space: Mapping[str, BaseDistribution], seed: int) -> None:
        set_ax_logger_levels(logging.ERROR)
        self.draws = OwnRandomState(seed)
        seed = derive_seed(seed, "ax") % 2**31
        self.client = Client(random_seed=seed)
        self.client.configure_experiment([_parameter(name, distribution) for name, distribution in space.items()])
        self.floor: float | None = None
        self._set_objectives()
        self.client.configure_generation_strategy(
            initialization_budget=STARTUP,
            initialization_random_seed=seed,
            use_existing_trials_for_initialization=False,
            # otherwise many workers would wait until the first laws of all have finished
            allow_exceeding_initialization_budget=True,
        )
        self.indices: dict[int, int] = {}
        self.attacked = 0

    def _set_objectives(self) -> None:
        constraints = [] if self.floor is None else [f"kept >= {self.floor}"]
        self.client.configure_optimization("natural, -attack", THRESHOLDS + constraints)

    def learn_floor(self, floor: float | None) -> None:
        if floor != self.floor:
            self.floor = floor
            self._set_objectives()

    def suggest(self, number: int) -> dict[str, Any]:
        with self.draws():
            ((index, params),) = self.client.get_next_trials(1).items()
        self.indices[number] = index
        return dict(params)

    def attach(self, number: int, params: dict[str, Any]) -> None:
        self.indices[number] = self.client.attach_trial(params)

    def tell(self, number: int, natural: float, attack: float | None) -> None:
        data = {"natural": natural, "kept": natural}
        if attack is not None:
            data["attack"] = attack
            self.attacked += 1
        self.client.complete_trial(self.indices[number], data)

    def drop(self, number: int) -> None:
        self.client.mark_trial_failed(self.indices[number])

    def front(self) -> dict[int, tuple[float, float]]:
        """The front that the model predicts: natural and attack accuracy by trial number; empty without data."""
        # with fewer, Ax cannot compute a front
        if self.attacked < 2:
            return {}
        with self.draws():
            found = self.client.get_pareto_frontier()
        numbers = {index: number for number, index in self.indices.items()}
        # all trials of a law have one entry, under the last of them
        return {numbers[index]: (values["natural"][0], values["attack"][0]) for _, values, index, _ in found}


def _parameter(name: str, distribution: BaseDistribution) -> RangeParameterConfig | ChoiceParameterConfig:
    if isinstance(distribution, CategoricalDistribution):
        return ChoiceParameterConfig(name, list(distribution.choices), "str", is_ordered=False)
    low, high = numeric(distribution).low, numeric(distribution).high
    kind = "int" if isinstance(low, int) else "float"
    scaling = "log" if numeric(distribution).log else "linear"
    return RangeParameterConfig(name, (low, high), kind, scaling=scaling)


class AxStudy(OutsideStudy):
    """Ax with its own recommendation: `get_pareto_frontier` with model predictions.

    As with all methods, only laws that were attacked and measured above the floor stay in that front. Reference points
    outside the space, which the model does not know, are added with their measured accuracies. If no law is left, the
    measured front is recommended. The model that is fitted for the recommendation also serves the next suggestion,
    which therefore seems to take about half the time that it takes in `ax-measured`.
    """

    framework: AxFramework

    def recommend(self) -> tuple[list[ErasingLaw], float]:
        measured = self.measured()
        trials = self.journal.main.get_trials(deepcopy=False)
        predicted = {trials[n].user_attrs["trial"]: values for n, values in self.framework.front().items()}
        values = {n: predicted[n] for n in measured if n in predicted}
        space = self.journal.search.space
        values |= {n: means for n, means in measured.items() if params_of(space, self.asked[n].law) is None}
        if not predicted or not values:
            return super().recommend()
        natural, attack = np.array(list(values.values())).T
        mask = front_mask(natural, attack)
        return [self.asked[n].law for n, stays in zip(values, mask, strict=True) if stays], hypervolume(natural, attack)


def make(name: str, surface: Surface, seed: int, min_accuracy_kept: float | None) -> OutsideStudy:
    """`ax` with its own recommendation, or `ax-measured` with the recommendation of all other methods."""
    framework = AxFramework(distributions(surface.space), seed)
    study = AxStudy if name == "ax" else OutsideStudy
    return study(framework, surface, seed, min_accuracy_kept)
