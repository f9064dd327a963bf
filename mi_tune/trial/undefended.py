"""Undefended classifiers of lower accuracy, which every law of a study is compared with.

What leaks follows how well a classifier knows its people. So a law must leak less than a classifier without defence
that is as accurate, however that came about: stopped early (`stopped_early.py`), on fewer images, as a smaller network,
with or without pre-training on the public people. They are few and trained once per study.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from mi_tune.attacks import code_of
from mi_tune.data import Split
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import NO_DEFENCE
from mi_tune.judging import Gallery, Judge
from mi_tune.nets import create_classifier, own_code, parameter_count
from mi_tune.runtime.cache import cached, content_key
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import Setup
from mi_tune.trial import evaluation, stopped_early, strongest
from mi_tune.trial.assets import Attacker, StudyData
from mi_tune.trial.attacked import attacked_people
from mi_tune.trial.comparison import TARGET_CODE
from mi_tune.trial.evaluation import LawEvaluation
from mi_tune.trial.pretraining import pretraining_key

CONTROLS = "controls.csv"
"""File in the study's folder, one row per control, epoch and class; docs/study_folder.md describes it."""

ENOUGH_TRIALS = 24
"""A study of so many trials trains these controls if it is not told otherwise; they cost about as much as 2 or 3
trials."""

FEWER, SMALLER = "fewer images", "smaller network"
PRETRAINED, NOT_PRETRAINED = "pre-trained", "not pre-trained"
KINDS = (FEWER, SMALLER, PRETRAINED, NOT_PRETRAINED)
"""Kinds of controls, beside stopping early."""
REACH_THE_END = (FEWER, SMALLER)
"""Kinds whose most accurate point is the training without defence itself: all images, the whole network."""

SLIM = "small_cnn_slim"
"""The smaller network, where the targets' has more parameters."""
SHORT = 0.4
"""Epochs of the control with another start, as a share of the usual."""
FIRST_STOP = 0.4
"""When that training is looked at for the first time, as a share of its own epochs."""


@dataclass(frozen=True)
class Control:
    """One training without defence.

    Args:
        kind: of `KINDS`. name: what is different, in words.
        setup, data: what it is trained with. stops: epochs at which it is looked at and attacked, beside its end.
    """

    kind: str
    name: str
    setup: Setup
    data: StudyData
    stops: tuple[int, ...] = ()


FROM_NOTHING: dict[str, Any] = {"pretrained": None, "start_from": None, "freeze": 0, "mean": None, "std": None}
"""What a set-up says of weights to start from, for a network that they do not fit."""


def wants_controls(setup: Setup) -> bool:
    """Whether a study with this set-up trains controls."""
    wanted = setup.search.controls
    return setup.search.trials >= ENOUGH_TRIALS if wanted is None else wanted


def controls_of(setup: Setup, data: StudyData, seed: int) -> tuple[Control, ...]:
    """The controls of a study: those that its images and its architecture can give."""
    half, quarter = (dataclasses.replace(data, split=fewer_images(data, share, seed)) for share in (0.5, 0.25))
    found = [Control(FEWER, "half of the images", setup, half)]
    if len(quarter.split.train) < len(half.split.train):
        found.append(Control(FEWER, "a quarter of the images", setup, quarter))
    if _slim_is_smaller(setup, data):
        found.append(Control(SMALLER, SLIM, _with_target(setup, architecture=SLIM, **FROM_NOTHING), data))
    if data.public.identities > 1:
        epochs = max(1, round(SHORT * setup.target.epochs))
        stop = round(FIRST_STOP * epochs)
        pretrained = setup.target.pretrain == "public"
        other = _with_target(setup, pretrain="none" if pretrained else "public", epochs=epochs)
        kind, how = (NOT_PRETRAINED, "from random weights") if pretrained else (PRETRAINED, "from a public network")
        found.append(Control(kind, f"{how}, {epochs} epochs", other, data, (stop,) if 0 < stop < epochs else ()))
    return tuple(found)


def fewer_images(data: StudyData, share: float, seed: int) -> Split:
    """The split with this share of each person's training images, at least one, drawn by `seed`. A smaller share is
    part of a larger one."""
    labels, rng = data.private.labels, np.random.default_rng(derive_seed(seed, "fewer images"))
    order = rng.permutation(data.split.train)
    kept = [
        mine[: max(1, round(share * len(mine)))]
        for mine in (order[labels[order] == person] for person in range(data.private.identities))
    ]
    return dataclasses.replace(data.split, train=np.sort(np.concatenate(kept)))


def _with_target(setup: Setup, **changes: Any) -> Setup:
    return setup.model_copy(update={"target": setup.target.model_copy(update=changes)})


def _slim_is_smaller(setup: Setup, data: StudyData) -> bool:
    shape = (data.private.identities, data.private.channels, data.private.resolution)
    if data.private.resolution > 128:  # more than the slim network takes
        return False
    slim, usual = (parameter_count(create_classifier(name, *shape, 0)) for name in (SLIM, setup.target.architecture))
    return slim < usual


def measure_control(
    control: Control, seed: int, attacker: Attacker, judge: Judge, recogniser: Gallery | None, device: torch.device
) -> pd.DataFrame:
    """Train a control, attack it as a trial is attacked, and judge the reconstructions; or load this from the cache.

    Returns:
        One row per epoch that was attacked and class: `kind`, `control`, `epoch`, `class_name`, `natural_accuracy`,
        `attack_accuracy` and, with a recogniser, `recognised`; accuracies in [0, 1], means over replicates.

    Raises:
        DivergedError: a training or an attack diverged. InputError: the attack cannot run.
    """
    setup, data = control.setup, control.data
    architecture = setup.target.architecture
    key = content_key(
        *(data.private.fingerprint(), data.split.train.tolist(), data.split.val.tolist(), setup.target.model_dump()),
        *(pretraining_key(setup, data, seed), control.kind, control.name, control.stops, seed),
        attacked_people(setup, data.private.identities, seed).tolist(),
        *([attack.describe() for attack in attacker.attacks], attacker.ground.key),
        *(judge.key, recogniser.key if recogniser else None),
        modules=(
            *(*TARGET_CODE, sys.modules[__name__], evaluation, stopped_early, strongest),
            *own_code(architecture),
            *(module for attack in attacker.attacks for module in code_of(attack)),
        ),
    )

    def make() -> dict:
        run = LawEvaluation(setup, data, Treatment(NO_DEFENCE), seed, device, stops=control.stops)
        while not run.trained:
            run.train_block()
        while not run.finished:
            run.attack_next(attacker, judge, recogniser)
        end = run.per_class().assign(epoch=run.epoch)
        table = pd.concat([*run.stopped_tables(), end], ignore_index=True)
        table = table.drop(columns=[c for c in table if str(c).startswith("start_")])
        return {str(name): table[name].tolist() for name in table}

    table = pd.DataFrame(cached("control", key, make))
    first = ["kind", "control", "epoch", "class_name"]
    table = table.assign(kind=control.kind, control=control.name)
    return table[[*first, *(name for name in table if name not in first)]]
