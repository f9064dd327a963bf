"""Estimate how long a study will take, by timing about a second of real work on this machine."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from mi_tune.attacks import Attack, Portfolio, WhiteBox
from mi_tune.attacks.parts import Passes
from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.judging.recogniser import load_recogniser
from mi_tune.judging.regressor import fit_regressor
from mi_tune.nets import create_classifier, parameter_count
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.device import use_one_thread
from mi_tune.setup import Setup
from mi_tune.trial.assets import StudyData, attacks_of, create_target, target_recipe
from mi_tune.trial.evaluation import RECOGNISED
from mi_tune.trial.judges import judge_recipe, regressor_recipe
from mi_tune.trial.stopped_early import stopping_epochs
from mi_tune.trial.undefended import controls_of, wants_controls

SUGGESTION_SECONDS = {"gp": 0.6}
"""Seconds per suggestion of Optuna's Gaussian process, measured at 10 to 60 trials of the set-up `orl`, on one thread.
In replays it was 0.3 to 0.8 (docs/measurements.md). The other samplers take at most 0.02."""


@dataclass(frozen=True)
class Estimate:
    """Expected cost of a study.

    Args:
        trial_seconds: of one trial. prepare_seconds: of training the judge and, for drawn people, the regressor.
        trial_megabytes: MiB on disk that one trial leaves.
        suggestion_seconds: of one suggestion by the sampler. Suggestions are made one at a time.
    """

    trial_seconds: float
    prepare_seconds: float
    trial_megabytes: float
    suggestion_seconds: float = 0.0

    def study_seconds(self, trials: int, workers: int) -> float:
        """Seconds of `trials` trials on `workers` parallel workers, who wait for each other's suggestions."""
        working = math.ceil(trials / workers) * (self.trial_seconds + self.suggestion_seconds)
        return self.prepare_seconds / workers + max(working, trials * self.suggestion_seconds)


@dataclass(frozen=True)
class Speed:
    """Seconds per image on one worker.

    Args:
        train_image: one training image of the target.
        forward: one forward pass. backward: one forward and backward pass, to the gradient of the image.
    """

    train_image: float
    forward: float
    backward: float

    def of(self, passes: Passes) -> float:
        """Seconds that these passes through the target take."""
        return (passes.forward - passes.backward) * self.forward + passes.backward * self.backward

    def of_attack(self, attack: Attack | Portfolio, people: int, samples: int, public: int) -> float:
        """Seconds of an attack on all people.

        Includes the students that the attack trains, but not generators that it trains for its target.

        Args:
            people: number of attacked people. samples: of the prior. public: number of public images.
        """
        return sum(self._of_member(member, people, samples, public) for member in attack.members)

    def _of_member(self, attack: Attack, people: int, samples: int, public: int) -> float:
        seconds = self.of(attack.passes(people, samples, public))
        trained_on = attack.models.lessons(public, samples)
        steps = sum(stage.steps for stage in attack.stages)
        attacked = steps * attack.candidates * people * max(1, len(attack.views))
        return seconds + attack.models.trained * (trained_on * self.train_image + attacked * self.backward)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    use_one_thread()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def measure_speed(setup: Setup, data: StudyData, device: torch.device) -> Speed:
    """Time two training batches and one attack batch of the setup, on one CPU thread as in a trial."""
    with _one_thread():
        return _speed(setup, data, device)


def _speed(setup: Setup, data: StudyData, device: torch.device) -> Speed:
    private = data.private
    model = create_target(setup, private, 0)
    train_image = _seconds_an_image(model, data, target_recipe(setup), device)
    images = torch.rand(32, *private.images.shape[1:], device=device)
    oracle = WhiteBox(model, device, private.identities)  # the access that an attack has

    def back() -> None:
        leaf = images.detach().requires_grad_(True)
        torch.autograd.grad(oracle.logits(leaf).sum(), leaf)

    return Speed(train_image, _timed(lambda: oracle.confidence(images)) / 32, _timed(back) / 32)


def estimate(setup: Setup, data: StudyData, device: torch.device) -> Estimate:
    """Time a few batches of the setup, on one CPU thread as in a trial, and extrapolate to whole trials."""
    with _one_thread():
        return _estimate(setup, data, device)


def _estimate(setup: Setup, data: StudyData, device: torch.device) -> Estimate:
    private, split = data.private, data.split
    target, attacks = setup.target, attacks_of(setup)
    model = create_target(setup, private, 0)
    speed = _speed(setup, data, device)
    judge = create_classifier(setup.judge.architecture, private.identities, private.channels, private.resolution, 0)
    recipe = judge_recipe(setup)
    judge_image = _seconds_an_image(judge, data, recipe.training, device)

    people = setup.attack.identities or private.identities
    attack_seconds = sum(speed.of_attack(one, people, setup.prior.samples, len(data.public)) for one in attacks)
    attack = attacks[0]
    attack_seconds += people * min(attack.keep, RECOGNISED) * _recogniser_seconds(setup, data, device)
    validation = len(split.val) * speed.forward / target.report_every
    train_seconds = target.epochs * (len(split.train) * speed.train_image + validation)
    # one judge trains on all images, the one that measures its accuracy on all but the test images
    judge_images = 2 * len(private) - len(split.test)
    prepare_seconds = 0.0 if ":" in setup.judge.kind else recipe.training.epochs * judge_images * judge_image
    # trials without defence are attacked at their stops, too; a study has one, and seldom repeats it
    prepare_seconds += target.replicates * len(stopping_epochs(target.epochs)) * attack_seconds
    if wants_controls(setup):
        prepare_seconds += _control_seconds(setup, data, speed, attack_seconds)
    if target.pretrain == "public":
        prepare_seconds += target.pretrain_epochs * len(data.public) * speed.train_image
    if data.identity_parameters is not None:
        regressor = regressor_recipe(setup)
        one_step = dataclasses.replace(regressor, steps=1)
        prepare_seconds += regressor.steps * _timed(lambda: fit_regressor(private.resolution, one_step, device))
    size = 4 * parameter_count(model) / 2**20
    return Estimate(
        trial_seconds=target.replicates * (train_seconds + attack_seconds),
        prepare_seconds=prepare_seconds,
        # the target, two checkpoints of every replicate with the state of AdamW, and the reconstructions
        trial_megabytes=size * (1 + 6 * target.replicates)
        + np.prod(private.images.shape[1:]) * people * attack.keep * 8 / 2**20,
        suggestion_seconds=SUGGESTION_SECONDS.get(setup.search.sampler, 0.0),
    )


def _control_seconds(setup: Setup, data: StudyData, speed: Speed, attack_seconds: float) -> float:
    """Seconds of the study's controls, each at the cost of the usual network."""
    seconds = 0.0
    for control in controls_of(setup, data, 0):
        target = control.setup.target
        trained = target.epochs * len(control.data.split.train) * speed.train_image
        seconds += target.replicates * (trained + (1 + len(control.stops)) * attack_seconds)
        if target.pretrain == "public" != setup.target.pretrain:
            seconds += target.pretrain_epochs * len(data.public) * speed.train_image
    return seconds


def _recogniser_seconds(setup: Setup, data: StudyData, device: torch.device) -> float:
    """Seconds that the recogniser needs for an image; 0 without one."""
    if setup.judge.recogniser in ("none", "auto"):
        return 0.0
    embedding = load_recogniser(setup.judge, data.private.channels, data.private.resolution)
    images = torch.from_numpy(data.private.images[:8])
    return _timed(lambda: embedding(images, device)) / len(images)


def _seconds_an_image(model: torch.nn.Module, data: StudyData, recipe: Recipe, device: torch.device) -> float:
    indices = torch.from_numpy(data.split.train[: 2 * recipe.batch_size])
    law = REFERENCE_LAWS["MIDRE(0.1, 0.8)"]
    # The time does not depend on the learning rate. A small one keeps the estimate from failing where training would
    # diverge: that is for the trials to report.
    recipe = dataclasses.replace(recipe, learning_rate=1e-6)
    run = Training(model, *data.private.tensors(), indices, recipe, 0, device, law)
    return _timed(run.train_epoch) / len(indices)


def _timed(work: Callable[[], object]) -> float:
    """Seconds of the second call of `work`; the first call warms up."""
    work()
    begun = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begun
