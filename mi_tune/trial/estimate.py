"""How long a study will take, from a second of real work on this machine."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from mi_tune.attacks import Attack, Portfolio, WhiteBox, make_attack
from mi_tune.attacks.engine import Passes
from mi_tune.attacks.students import Students, TargetOnly
from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.judging.regressor import fit_regressor
from mi_tune.nets import create_classifier, parameter_count
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.device import use_one_thread
from mi_tune.setup import Setup
from mi_tune.trial.assets import StudyData, judge_recipe, regressor_recipe, target_recipe

SUGGESTION_SECONDS = {"gp": 1.5}  # of Optuna's Gaussian process, measured at 20 to 100 trials; others are quick


@dataclass(frozen=True)
class Estimate:
    """Expected seconds of one trial, of preparing the judge and of one suggestion, and MiB that a trial leaves."""

    trial_seconds: float
    prepare_seconds: float
    trial_megabytes: float
    suggestion_seconds: float = 0.0

    def study_seconds(self, trials: int, workers: int) -> float:
        return self.prepare_seconds / workers + math.ceil(trials / workers) * (
            self.trial_seconds + self.suggestion_seconds
        )


@dataclass(frozen=True)
class Speed:
    """Seconds of one image on one worker: training the target, forward through it, and back to the image too."""

    train_image: float
    forward: float
    backward: float

    def of(self, passes: Passes) -> float:
        """Seconds of these passes through the target."""
        return (passes.forward - passes.backward) * self.forward + passes.backward * self.backward

    def of_attack(self, attack: Attack | Portfolio, people: int, samples: int, public: int) -> float:
        """Seconds of an attack on all people, with the students that it trains, but without generators of its own.

        samples: of the prior. public: images.
        """
        if isinstance(attack, Portfolio):
            return sum(self.of_attack(member, people, samples, public) for member in attack.members)
        seconds = self.of(attack.passes(people, samples, public))
        if isinstance(attack.models, TargetOnly):
            return seconds
        students = len(attack.models.architectures) if isinstance(attack.models, Students) else 1
        lessons = attack.models.recipe.epochs * attack.models.passes(public, samples)
        followed = sum(stage.steps for stage in attack.stages) * attack.candidates * people * max(1, len(attack.views))
        return seconds + students * (lessons * self.train_image + followed * self.backward)


def measure_speed(setup: Setup, data: StudyData, device: torch.device) -> Speed:
    """Time one training batch and one attack batch of this setup, single-threaded as in a trial."""
    threads = torch.get_num_threads()
    use_one_thread()
    try:
        return _speed(setup, data, device)
    finally:
        torch.set_num_threads(threads)


def _speed(setup: Setup, data: StudyData, device: torch.device) -> Speed:
    private, target = data.private, setup.target
    model = create_classifier(target.architecture, private.identities, private.channels, private.resolution, 0)
    train_image = _seconds_an_image(model, data, target_recipe(setup), device)
    images = torch.rand(32, *private.images.shape[1:], device=device)
    oracle = WhiteBox(model, device, private.identities)  # as an attack has it

    def back() -> None:
        leaf = images.detach().requires_grad_(True)
        torch.autograd.grad(oracle.logits(leaf).sum(), leaf)

    return Speed(train_image, _timed(lambda: oracle.confidence(images)) / 32, _timed(back) / 32)


def estimate(setup: Setup, data: StudyData, device: torch.device) -> Estimate:
    """Time one training batch and one attack batch of this setup, single-threaded as in a trial, and scale up."""
    threads = torch.get_num_threads()
    use_one_thread()
    try:
        return _estimate(setup, data, device)
    finally:
        torch.set_num_threads(threads)


def _estimate(setup: Setup, data: StudyData, device: torch.device) -> Estimate:
    private, split = data.private, data.split
    target, attack = setup.target, make_attack(setup.attack.preset, setup.attack.budget)
    model = create_classifier(target.architecture, private.identities, private.channels, private.resolution, 0)
    speed = _speed(setup, data, device)
    judge = create_classifier(setup.judge.architecture, private.identities, private.channels, private.resolution, 0)
    recipe = judge_recipe(setup)
    judge_image = _seconds_an_image(judge, data, recipe.training, device)

    attack_seconds = speed.of_attack(attack, private.identities, setup.prior.samples, len(data.public))
    looked_at = len(split.val) * speed.forward / target.report_every
    train_seconds = target.epochs * (len(split.train) * speed.train_image + looked_at)
    seen = 2 * len(private) - len(split.test)
    prepare_seconds = recipe.training.epochs * seen * judge_image
    if data.identity_parameters is not None:
        lesson = regressor_recipe(setup)
        one = dataclasses.replace(lesson, steps=1)
        prepare_seconds += lesson.steps * _timed(lambda: fit_regressor(private.resolution, one, device))
    size = 4 * parameter_count(model) / 2**20
    return Estimate(
        trial_seconds=target.replicates * (train_seconds + attack_seconds),
        prepare_seconds=prepare_seconds,
        # the target, two checkpoints of every replicate with AdamW's state, reconstructions
        trial_megabytes=size * (1 + 6 * target.replicates)
        + np.prod(private.images.shape[1:]) * private.identities * attack.keep * 8 / 2**20,
    )


def _seconds_an_image(model: torch.nn.Module, data: StudyData, recipe: Recipe, device: torch.device) -> float:
    indices = torch.from_numpy(data.split.train[: 2 * recipe.batch_size])
    law = REFERENCE_LAWS["MIDRE(0.1, 0.8)"]
    # the time does not depend on the learning rate, and one at which training diverges is for the trials to report
    recipe = dataclasses.replace(recipe, learning_rate=1e-6)
    run = Training(model, *data.private.tensors(), indices, recipe, 0, device, law)
    return _timed(run.train_epoch) / len(indices)


def _timed(work: Callable[[], object]) -> float:
    """Seconds of the second call; the first one warms up."""
    work()
    begun = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begun
