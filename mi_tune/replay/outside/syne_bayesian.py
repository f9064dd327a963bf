"""Syne Tune's Bayesian search by expected hypervolume improvement, without early stopping.

Source: Syne Tune 0.16, `optimizer/schedulers/multiobjective/expected_hyper_volume_improvement.py`; Daulton et al.,
"Differentiable Expected Hypervolume Improvement" (NeurIPS 2020).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from linear_operator.utils.warnings import NumericalWarning
from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer.schedulers.multiobjective.expected_hyper_volume_improvement import (
    ExpectedHyperVolumeImprovement,
)
from syne_tune.optimizer.schedulers.single_fidelity_scheduler import SingleFidelityScheduler

from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.replay.outside.framework import OutsideContest, OwnDraws
from mi_tune.replay.outside.syne_space import plain, syne_space
from mi_tune.replay.rivals import STARTUP
from mi_tune.replay.surface import Surface
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.space import distributions, params_of

METRICS = ["negative_natural_accuracy", "attack_accuracy"]
REFERENCE_POINT = -2.0
"""What every metric is held against, in the searcher as shipped."""


class RightedSearcher(ExpectedHyperVolumeImprovement):
    """Values in the order of the laws that they were measured of.

    As shipped, laws come in the order in which they were suggested and values in that in which they came in: with
    several workers the model is fitted to values of other laws.
    """

    def objectives(self) -> np.ndarray:
        return np.array([self.trial_observations[n] for n in self.trial_configs if n not in self.pending_trials])


class BayesianFramework:
    """`syne-ehvi` as a plain user has it: natural accuracy negated and attack accuracy, both to be small.

    The searcher holds them against a reference point of -2 for each, which no accuracy reaches, so that its logarithm
    of the improvement ranks laws by what is left of it far from any; `righted` shifts both metrics by what puts that
    point at natural accuracy 0 and attack accuracy 1, and pairs laws and values as `RightedSearcher` does.

    Fair: references of the space are the first points to evaluate; as many random laws as ours takes of the Sobol
    sequence. Its own way: it goes on at random until so many have been told, which are more where many run at a time;
    its model takes measurements for exact. It knows no constraint: below the floor the attack accuracy is told as 1,
    as our journal does. Suggestions are made in double precision throughout: as shipped, half of it is single, which
    BoTorch 0.18's compiled kernel refuses.
    """

    def __init__(self, surface: Surface, seed: int, righted: bool) -> None:
        space = distributions(surface.space)
        known = sum(params_of(surface.space, law) is not None for law in REFERENCE_LAWS.values())
        self.draws = OwnDraws(seed)
        domains = syne_space(space)
        with self._as_it_draws():
            self.searcher = (RightedSearcher if righted else ExpectedHyperVolumeImprovement)(
                domains, num_init_random=known + STARTUP, random_seed=derive_seed(seed, "ehvi") % 2**31
            )
        self.scheduler = SingleFidelityScheduler(domains, METRICS, searcher=self.searcher, random_seed=seed)
        self.shifts = (REFERENCE_POINT, REFERENCE_POINT - 1.0) if righted else (0.0, 0.0)
        self.trials: dict[int, Trial] = {}

    @contextmanager
    def _as_it_draws(self) -> Iterator[None]:
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            with self.draws(), warnings.catch_warnings():
                warnings.simplefilter("ignore", NumericalWarning)  # that it takes measurements for exact
                yield
        finally:
            torch.set_default_dtype(before)

    def learn_floor(self, floor: float | None) -> None: ...

    def suggest(self, number: int) -> dict[str, Any]:
        with self._as_it_draws():
            config = self.scheduler.suggest().config
        # the searcher numbers its suggestions itself, from 0
        self.trials[number] = Trial(len(self.trials), config, datetime.now(UTC))
        return plain(config)

    def attach(self, number: int, params: dict[str, Any]) -> None:
        self.searcher.points_to_evaluate.append(params)
        self.suggest(number)

    def tell(self, number: int, natural: float, attack: float | None) -> None:
        values = (-natural, 1.0 if attack is None else attack)
        shifted = (value + shift for value, shift in zip(values, self.shifts, strict=True))
        self.scheduler.on_trial_complete(self.trials[number], dict(zip(METRICS, shifted, strict=True)))

    def drop(self, number: int) -> None:
        self.scheduler.on_trial_error(self.trials[number])


def make(name: str, surface: Surface, seed: int, min_accuracy_kept: float | None) -> OutsideContest:
    """`syne-ehvi` as shipped, or `syne-ehvi-righted`."""
    framework = BayesianFramework(surface, seed, righted=name == "syne-ehvi-righted")
    return OutsideContest(framework, surface, seed, min_accuracy_kept)
