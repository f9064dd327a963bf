"""Trained classifiers from files. Files are not trusted: one that could run code when it is read is refused."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from mi_tune.nets import create_classifier, head_of
from mi_tune.nets.published import renamed, sized
from mi_tune.runtime.errors import InputError

BACKBONE_PREFIX = "backbone."
"""Prefix of the names of a backbone's weights within a `Classifier`."""
WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts store a state_dict together with other values."""
AUXILIARY_HEADS = ("AuxLogits.", "aux1.", "aux2.")
"""Prefixes of the heads of torchvision's inception_v3 and googlenet that only training uses."""


class Normalised(nn.Module):
    """A backbone after the normalisation that it was trained with: (x - mean) / std of pixels in [0, 1].

    Args:
        mean, std: one value per input channel of the backbone; grey images are repeated to that many channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, height, width) in [0, 1]."""
        return self.backbone((images - self.mean) / self.std)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state_dict from a file without unpickling code.

    A wrapper such as {"state_dict": ...} and the prefix `module.` of DataParallel are removed. A safetensors file can
    be read if torch can read it here.

    Raises:
        InputError: the file is missing, damaged, a pickled module, TorchScript, or has no tensors.
    """
    save = "save only its weights: torch.save(model.state_dict(), 'weights.pt')"
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the weights of a trained classifier")
    try:
        stored = torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: not plain tensors: reading it would run pickled code; {save}") from error
    except Exception as error:  # torch passes on every kind of error of its parsers
        text = str(error)
        if "TorchScript" in text:
            raise InputError(f"{path}: a TorchScript archive, which holds code; {save}") from error
        if "safetensors" in text:
            raise InputError(
                f"{path}: torch cannot read safetensors here (pip install safetensors); or {save}"
            ) from error
        raise InputError(f"{path}: not a file of torch.save, or a damaged one; {save}") from error
    for name in WRAPPERS:
        if isinstance(stored, Mapping) and isinstance(stored.get(name), Mapping):
            stored = stored[name]
    if not isinstance(stored, Mapping) or not stored or not all(isinstance(v, Tensor) for v in stored.values()):
        raise InputError(f"{path}: holds no state_dict; {save}")
    return {str(name).removeprefix("module."): value for name, value in stored.items()}


def load_classifier(
    path: Path,
    architecture: str,
    classes: int,
    channels: int,
    resolution: int,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> nn.Module:
    """Load a trained classifier of images in [0, 1] from its weights.

    Args:
        path: state_dict of a `mi_tune.nets.Classifier`, which normalises itself, or of a bare backbone.
        architecture: see `create_classifier`.
        classes, channels, resolution: of the images that it classifies.
        mean, std: normalisation that a bare backbone was trained with, one value or one per channel.

    Raises:
        InputError: see `read_state` and `create_classifier`; also if the weights do not fit the architecture or the
            number of classes or are not finite, or the normalisation is missing.
    """
    state = read_state(path)
    model = create_classifier(architecture, classes, channels, resolution, 0)
    if all(name.startswith(BACKBONE_PREFIX) for name in state):
        if mean is not None or std is not None:
            raise InputError(
                f"{path}: a classifier of mi_tune normalises its images itself; leave out --mean and --std"
            )
        _fill(model, state, path, architecture, classes)
        return model.eval()
    if model.raw and mean is None and std is None:
        mean, std = (0.0,), (1.0,)  # a user's own network normalises by itself
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
    state = {name: value for name, value in state.items() if not name.startswith(AUXILIARY_HEADS)}
    state = renamed(state, sized(architecture)[0])
    _fill(model.backbone, state, path, architecture, classes)
    mean, std = (list(values) * (inputs // len(values)) for values in (mean, std))
    return Normalised(model.backbone, mean, std).eval()


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
    missing, unexpected = [n for n in expected if n not in state], [n for n in state if n not in expected]
    if missing or unexpected:
        wrong, kind = (missing, "lack") if missing else (unexpected, "hold an unexpected")
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise InputError(f"{path}: not the weights of a {architecture}: they {kind} '{wrong[0]}'{more}")
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
