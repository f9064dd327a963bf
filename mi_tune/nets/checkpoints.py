"""Trained classifiers from files of weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from mi_tune.nets import create_classifier, head_of
from mi_tune.nets.published import PUBLISHED, renamed, sized
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.state_files import difference, read_state, without_prefixes

BACKBONE_PREFIX = "backbone."
"""Prefix of the names of a backbone's weights within a `Classifier`."""
NORMALISATION = ("mean", "std")
"""Names of a `Classifier`'s normalisation where it is not the usual one."""
AUXILIARY_HEADS = ("AuxLogits.", "aux1.", "aux2.")
"""Prefixes of the heads of torchvision's inception_v3 and googlenet that only training uses."""


def load_classifier(
    path: Path,
    architecture: str,
    classes: int,
    channels: int,
    resolution: int,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    shaped: Callable[[nn.Module], nn.Module] | None = None,
    say: Callable[[str], object] | None = None,
) -> nn.Module:
    """Load a trained classifier of images in [0, 1] from its weights.

    Args:
        path: state_dict of a `mi_tune.nets.Classifier`, which normalises itself, or of a bare backbone.
        architecture: see `create_classifier`.
        classes, channels, resolution: of the images that it classifies.
        mean, std: normalisation that a bare backbone was trained with, one value or one per channel.
        shaped: gives a classifier of mi_tune the structure that its defences left it with.
        say: is told, in a sentence, which prefixes were taken off the names of the weights.

    Raises:
        InputError: see `read_state` and `create_classifier`; also if the weights do not fit the architecture or the
            number of classes or are not finite, or the normalisation is missing.
    """
    state = read_state(path)
    model = create_classifier(architecture, classes, channels, resolution, 0)
    if is_classifier(state):
        if mean is not None or std is not None:
            raise InputError(
                f"{path}: a classifier of mi_tune normalises its images itself; leave out --mean and --std"
            )
        if "mean" in state and "std" in state:
            model.normalise_by(*(state[name].flatten().tolist() for name in NORMALISATION))
        published = model if shaped is None else shaped(model)
        _fill(published, state, path, architecture, classes)
        return published.eval()
    name, _ = sized(architecture)
    if name in PUBLISHED and PUBLISHED[name].renamed:
        state = renamed({key.removeprefix("module."): value for key, value in state.items()}, name)
    taken = without_prefixes(state, model.backbone.state_dict())
    state = taken.state
    if say is not None and taken.prefixes:
        say(f"{path.name}: {taken.sentence}")
    state = {name: value for name, value in state.items() if not name.startswith(AUXILIARY_HEADS)}
    if model.raw and mean is None and std is None:  # a user's own network normalises by itself
        _fill(model.backbone, state, path, architecture, classes)
        return model.eval()
    if mean is None or std is None:
        raise InputError(
            f"{path}: the weights of a bare {architecture}; give the normalisation that it was trained with by "
            "--mean and --std (0 and 1 for none)"
        )
    inputs = channels * model.repeat_channels
    for option, values in (("--mean", mean), ("--std", std)):
        if len(values) not in (1, inputs) or not all(math.isfinite(v) for v in values):
            raise InputError(f"{option} {','.join(map(str, values))}: give one number, or {inputs}, one per channel")
    if min(std) <= 0:
        raise InputError(f"--std {','.join(map(str, std))}: must be above 0")
    _fill(model.backbone, state, path, architecture, classes)
    model.normalise_by(*(list(values) * (inputs // len(values)) for values in (mean, std)))
    return model.eval()


def is_classifier(state: Mapping[str, Tensor]) -> bool:
    """Whether the names are those of a `Classifier` of this project, which normalises its images itself."""
    return all(name.startswith(BACKBONE_PREFIX) or name in NORMALISATION for name in state)


def _head_renamed(state: dict[str, Tensor], expected: Mapping[str, Tensor], head: str) -> dict[str, Tensor]:
    """The state with its last linear layer under the architecture's name.

    Scripts replace the head by layers of their own, such as `fc = Sequential(Dropout(), Linear())`, whose weights are
    then named `fc.1.weight`. A layer below the head's name, or below its parent's, is the head if it is the only one
    that the architecture lacks and takes as many features.
    """
    if f"{head}.weight" in state:
        return state
    features = expected[f"{head}.weight"].shape[1]
    above = head.rpartition(".")[0]
    others = {
        name.removesuffix(".weight")
        for name, value in state.items()
        if name.endswith(".weight")
        and name not in expected
        and value.ndim == 2
        and value.shape[1] == features
        and name.startswith((f"{head}.", f"{above}." if above else f"{head}."))
    }
    if len(others) != 1:
        return state
    (own,) = others
    return {f"{head}{name.removeprefix(own)}" if name.startswith(f"{own}.") else name: v for name, v in state.items()}


def _fill(model: nn.Module, state: dict[str, Tensor], path: Path, architecture: str, classes: int) -> None:
    expected = model.state_dict()
    head = next(name for name, module in model.named_modules() if module is head_of(model))
    state = _head_renamed(state, expected, head)
    if differing := difference(state, expected):
        raise InputError(f"{path}: not the weights of a {architecture}: {differing}")
    known = len(state[f"{head}.weight"])
    if known != classes:
        raise InputError(
            f"{path}: has {known} classes, but the folder has {classes} identities; give the folder that it "
            "was trained on"
        )
    for name, value in expected.items():
        if state[name].shape != value.shape:
            raise InputError(
                f"{path}: '{name}' has shape {tuple(state[name].shape)}, a {architecture} for these images has "
                f"{tuple(value.shape)}; check --architecture and --resolution"
            )
        if state[name].is_floating_point() and not torch.isfinite(state[name]).all():
            raise InputError(f"{path}: '{name}' holds NaN or infinite values")
    model.load_state_dict(state)
