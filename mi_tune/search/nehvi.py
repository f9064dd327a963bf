"""Noisy expected hypervolume improvement (NEHVI): a sampler for few, noisy and parallel trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import qmc

from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.by_trial import ByTrial
from mi_tune.search.front import HYPERVOLUME_REFERENCE, front_mask
from mi_tune.search.front_model import FrontModel
from mi_tune.search.geometry import Geometry
from mi_tune.search.improvement import SampledFronts
from mi_tune.search.observations import Observations
from mi_tune.search.state import State

POSTERIOR_SAMPLES = 64
"""Posterior samples of the front model that the improvement is averaged over."""
SOBOL_CANDIDATES, FRONT_CANDIDATES, REFINED_CANDIDATES = 896, 128, 64
"""Laws whose improvement is computed: over the whole space, near the expected front, and in each refinement step near
the best so far."""
REFINEMENT_STEPS = (0.08, 0.04)
"""Standard deviation, in the unit cube, of the moves in each refinement step."""
TRIALS_PER_REDRAW = 200
"""New posterior samples are drawn once one result per this many trials has come in, but not before one result has: with
fewer trials, after each result."""
MEMORY = "front_model"
"""Attribute of the Optuna study that keeps the front model's last fit, and which draw it was made for."""
ReferencePoint = Callable[[np.ndarray, np.ndarray, float | None], tuple[float, float | np.ndarray]]
"""Makes the reference point of an improvement, a natural accuracy and an attack accuracy, which may differ between
samples, (samples,). It is given natural and attack accuracy of the finished laws, (samples, laws), and the floor."""
UNIT_MAX = 1 - 1e-9
"""Largest coordinate in the unit cube, which is open at 1."""


def usual_reference(natural: np.ndarray, attack: np.ndarray, floor: float | None) -> tuple[float, float | np.ndarray]:
    """The reference point of the reported hypervolume, whatever the laws.

    Reference points at the floor were measured (`studies/benchmarks/search_spread.py`): fewer trials then lie at the
    private end of the front and below the floor, but the rest of the front gains little or nothing by it, and the
    private end is found later.
    """
    return HYPERVOLUME_REFERENCE


class NoisyImprovementSampler(BaseSampler):
    """Noisy expected hypervolume improvement (Daulton et al., arXiv 2105.08195), greedy over the pending trials.

    Posterior samples are drawn from `FrontModel`. The front of each sample consists of the accuracies that the finished
    laws have in that sample, which are noise-free, so that a lucky measurement promises nothing; and of those that the
    running laws have in it. The next law is the one with the largest hypervolume improvement, averaged over the
    samples. Trials below the floor add nothing. Stopped trials inform the model with what they had reached, and so do
    trials that Optuna is not told of before the floor is known. Where the model's last fit ended is kept in the
    Optuna study (attribute MEMORY): another process continues from the study alone, and with one worker it proposes the
    same laws as this one would have.

    Running trials are added to the fronts at once; new results are used only when there are enough of them, see
    TRIALS_PER_REDRAW. So a suggestion costs about the same whether one trial runs or a thousand, and whether a hundred
    have finished or many thousands.

    Args:
        space: the searched parameters. seed: every draw derives from it and the trial's number.
        earlier: trials of an earlier study that the model starts from, or None.
        kept: floor as a share of the natural accuracy without defence, used until the floor is known; or None.
        reference: from where an improvement of the hypervolume is counted.
    """

    def __init__(
        self,
        space: dict[str, BaseDistribution],
        seed: int,
        earlier: Observations | None = None,
        kept: float | None = None,
        reference: ReferencePoint = usual_reference,
    ) -> None:
        self.geometry, self.seed, self.kept, self.reference = Geometry(space), seed, kept, reference
        self.model = FrontModel(self.geometry, earlier)
        self._random = ByTrial(lambda seed: RandomSampler(seed=seed), seed)
        # cached from the study: how many trials were read; points of open trials, None until they have parameters;
        # numbers and observations of finished ones
        self._read, self._open = 0, dict[int, np.ndarray | None]()
        self._numbers, self._observed = list[int](), Observations.of(self.geometry, [])
        self._acquisition: _Acquisition | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.geometry.space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        trials = study.get_trials(deepcopy=False)
        rng = self._rng(trial.number)
        self._read_trials(trials)
        if self._acquisition is None and self.model.enough(self._observed):
            self._recall(study)
        running = {number: unit for number, unit in self._open.items() if unit is not None and number != trial.number}
        finished = len(self._observed)
        due = max(1, (finished + len(running)) // TRIALS_PER_REDRAW)
        if self._acquisition is None or finished >= self._acquisition.finished + due:
            if not self.model.enough(self._observed):
                return {}
            before, floor = self.model.memory(), self._floor(trials)
            self._acquisition = self._draw(self._observed, self._numbers, floor, rng)
            if due > 1 or self.model.memory() != before:
                drawn = {"trial": trial.number, "finished": finished, "floor": floor}
                study.set_user_attr(MEMORY, drawn | self.model.memory())
        self._acquisition.add_running(running)
        return self.geometry.params(self._acquisition.best(rng))

    def _rng(self, number: int) -> np.random.Generator:
        """The random numbers of a trial."""
        return np.random.default_rng(derive_seed(self.seed, "nehvi", number))

    def _draw(
        self, observed: Observations, numbers: list[int], floor: float | None, rng: np.random.Generator
    ) -> _Acquisition:
        in_order = observed.take(np.argsort(np.array(numbers, dtype=int)))
        return _Acquisition(self.model.update(in_order), in_order, floor, rng, self.reference)

    def _recall(self, study: Study) -> None:
        """Take over what an earlier process knew, and draw what it had drawn, if the same trials had ended then."""
        memory = study.user_attrs.get(MEMORY)
        if memory is None:
            return
        self.model.recall(memory)
        seen = [place for place, number in enumerate(self._numbers) if number < memory["trial"]]
        if len(seen) == memory["finished"]:
            numbers = [self._numbers[place] for place in seen]
            observed = self._observed.take(np.array(seen, dtype=int))
            self._acquisition = self._draw(observed, numbers, memory["floor"], self._rng(memory["trial"]))

    def _floor(self, trials: list[FrozenTrial]) -> float | None:
        """The floor; until it is known, a share of the best natural accuracy: hardly any law exceeds no defence."""
        known = floor_of(trials)
        if known is not None or self.kept is None:
            return known
        return self.kept * float(np.nanmax(self._observed.natural, initial=0.0))

    def _read_trials(self, trials: list[FrozenTrial]) -> None:
        """Update the caches with the trials that have started or finished since the last call."""
        open_now = self._open | dict.fromkeys(range(self._read, len(trials)))
        self._read = len(trials)
        finished = [t for t in map(trials.__getitem__, open_now) if _is_over(t)]
        usable = [t for t in finished if self._has_params(t)]
        self._numbers += [t.number for t in usable]
        new = Observations.of_trials(self.geometry, [(t.params, t.user_attrs) for t in usable])
        self._observed = self._observed.joined(new)
        for trial in finished:
            del open_now[trial.number]
        for number, unit in open_now.items():
            if unit is None and trials[number].state == TrialState.RUNNING and self._has_params(trials[number]):
                open_now[number] = self.geometry.units([trials[number].params])[0]
        self._open = open_now

    def _has_params(self, trial: FrozenTrial) -> bool:
        space = self.geometry.space
        return all(name in trial.params for name in space if space.active(trial.params, name))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._random.sample_independent(study, trial, param_name, param_distribution)


class _Acquisition:
    """The acquisition function and its maximiser: posterior samples, their fronts, and random local search."""

    def __init__(
        self,
        model: FrontModel,
        observed: Observations,
        floor: float | None,
        rng: np.random.Generator,
        reference: ReferencePoint,
    ) -> None:
        self.geometry = model.geometry
        self.finished = len(observed)
        self.samples = model.sample_posterior(POSTERIOR_SAMPLES, rng)
        kept = observed.take(model.representatives)
        measured = kept.units[np.isfinite(kept.attack) & (kept.attacked == 1)]
        reached = self.samples(measured)
        lowest, highest = reference(*reached, floor)
        self.fronts = SampledFronts(*reached, floor, lowest, highest)
        self.running: set[int] = set()
        known = measured if model.earlier is None else np.concatenate([measured, model.earlier.units])
        natural, attack = model.expected(known)
        value = np.maximum(natural - lowest, 0) * (1 - attack)
        centres = known[_best(natural, attack, value)]
        sobol = qmc.Sobol(len(self.geometry.names), scramble=True, rng=rng)
        anywhere = sobol.random(SOBOL_CANDIDATES + FRONT_CANDIDATES)[:SOBOL_CANDIDATES]  # a power of two is drawn
        self.candidates = np.concatenate([anywhere, self._around(centres, FRONT_CANDIDATES, 0.12, rng)])
        self.values = self.samples(self.candidates)

    def add_running(self, running: Mapping[int, np.ndarray]) -> None:
        """Add running trials, by number, to the fronts, so that no other law improves on what they will reach."""
        new = [number for number in running if number not in self.running]
        if new:
            self.running.update(new)
            self.fronts.add(*self.samples(np.array([running[number] for number in new])))

    def best(self, rng: np.random.Generator) -> np.ndarray:
        """The point of the unit cube with the largest improvement found, (parameters,)."""
        points, gain = self.candidates, self.fronts.improvement(*self.values)
        for step in REFINEMENT_STEPS:
            top = np.argsort(-gain)[:4]
            near = self._around(points[top], REFINED_CANDIDATES, step, rng)
            points = np.concatenate([points[top], near])
            gain = np.concatenate([gain[top], self.fronts.improvement(*self.samples(near))])
        return points[gain.argmax()]

    def _around(self, centres: np.ndarray, count: int, step: float, rng: np.random.Generator) -> np.ndarray:
        """`count` random points of the unit cube near the centres (n, parameters): (count, parameters).

        Each coordinate is moved by normal noise of deviation `step` with probability 0.6; now and then one is drawn
        uniformly anew.
        """
        start = centres[rng.integers(len(centres), size=count)]
        moved = start + step * rng.standard_normal(start.shape) * (rng.random(start.shape) < 0.6)
        anywhere = rng.random(start.shape) < 0.5 / start.shape[1]
        return np.clip(np.where(anywhere, rng.random(start.shape), moved), 0, UNIT_MAX)


def _best(natural: np.ndarray, attack: np.ndarray, value: np.ndarray, most: int = 8) -> np.ndarray:
    """Indices of the front, or of its `most` points of largest `value`."""
    front = np.flatnonzero(front_mask(natural, attack))
    return front[np.argsort(-value[front], kind="stable")[:most]]


def _is_over(trial: FrozenTrial) -> bool:
    """Whether a trial has results, perhaps in its attributes only: Optuna is told once the floor is known."""
    return trial.state.is_finished() or trial.user_attrs.get("state", State.RUNNING) != State.RUNNING


def floor_of(trials: list[FrozenTrial]) -> float | None:
    """The floor, a natural accuracy, that the latest finished trial was compared with; None if there is none."""
    for trial in reversed(trials):
        excess = trial.constraints.get("natural_accuracy_floor") if trial.state == TrialState.COMPLETE else None
        if excess is not None:
            return excess + trial.values[0]
    return None
