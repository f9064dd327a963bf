"""Syne Tune's Bayesian search by expected hypervolume improvement (EHVI), without early stopping.

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
from mi_tune.replay.outside.framework import OutsideStudy, OwnRandomState
from mi_tune.replay.outside.syne_space import plain, syne_space
from mi_tune.replay.search_methods import STARTUP
from mi_tune.replay.surface import Surface
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.space import distributions, params_of

METRICS = ["negative_natural_accuracy", "attack_accuracy"]
SYNE_REFERENCE_VALUE = -2.0
"""Reference point of the hypervolume for every metric, in the searcher as shipped."""


class CorrectedSearcher(ExpectedHyperVolumeImprovement):
    """Pairs every law with its own values.

    As shipped, laws are in the order in which they were suggested and values in the order in which they were reported.
    With several workers these differ, and the model is fitted to the values of other laws.
    """

    def objectives(self) -> np.ndarray:
        return np.array([self.trial_observations[n] for n in self.trial_configs if n not in self.pending_trials])


class BayesianFramework:
    """`syne-ehvi` as users get it: negated natural accuracy and attack accuracy, both minimised.

    The searcher uses a reference point of -2 for each metric, which no accuracy reaches. Its logarithmic improvement
    then ranks laws by numerical residue, far from any real improvement. `corrected` shifts both metrics so that this
    reference point lies at natural accuracy 0 and attack accuracy 1, and pairs laws and values by `CorrectedSearcher`.

    As with our methods: the reference points in the space are evaluated first, and there are as many random laws as
    ours take from the Sobol sequence. Different from ours: it continues with random laws until that many have been
    reported, which makes more of them if many trials run at a time, and its model takes measurements to be exact. It
    knows no constraints: below the floor an attack accuracy of 1 is reported, as our journal does. Suggestions are made
    in double precision throughout: as shipped, half of the code is in single precision, which BoTorch 0.18's compiled
    kernel refuses.
    """

    def __init__(self, surface: Surface, seed: int, corrected: bool) -> None:
        space = distributions(surface.space)
        known = sum(params_of(surface.space, law) is not None for law in REFERENCE_LAWS.values())
        self.draws = OwnRandomState(seed)
        domains = syne_space(space)
        with self._double_precision():
            self.searcher = (CorrectedSearcher if corrected else ExpectedHyperVolumeImprovement)(
                domains, num_init_random=known + STARTUP, random_seed=derive_seed(seed, "ehvi") % 2**31
            )
        self.scheduler = SingleFidelityScheduler(domains, METRICS, searcher=self.searcher, random_seed=seed)
        self.shifts = (SYNE_REFERENCE_VALUE, SYNE_REFERENCE_VALUE - 1.0) if corrected else (0.0, 0.0)
        self.trials: dict[int, Trial] = {}

    @contextmanager
    def _double_precision(self) -> Iterator[None]:
        """Within it torch defaults to double precision and the random state is this study's."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            with self.draws(), warnings.catch_warnings():
                warnings.simplefilter("ignore", NumericalWarning)  # warns that measurements are taken to be exact
                yield
        finally:
            torch.set_default_dtype(before)

    def learn_floor(self, floor: float | None) -> None: ...

    def suggest(self, number: int) -> dict[str, Any]:
        with self._double_precision():
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


def make(name: str, surface: Surface, seed: int, min_accuracy_kept: float | None) -> OutsideStudy:
    """`syne-ehvi` as shipped, or `syne-ehvi-righted`."""
    framework = BayesianFramework(surface, seed, corrected=name == "syne-ehvi-righted")
    return OutsideStudy(framework, surface, seed, min_accuracy_kept)
