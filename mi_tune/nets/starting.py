"""The weights that a target starts from: those of torchvision or timm, or a file's, with their normalisation."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mi_tune.nets import TIMM, Classifier, head_of, is_own, library_network
from mi_tune.nets.checkpoints import AUXILIARY_HEADS, BACKBONE_PREFIX, NORMALISATION, is_classifier
from mi_tune.runtime.cache import content_key, tensor_key
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import one_line
from mi_tune.runtime.state_files import difference, read_state, without_prefixes
from mi_tune.runtime.wording import did_you_mean

DEFAULT = "DEFAULT"
"""The name of a library's best weights of an architecture."""
_PATIENCE = 30  # seconds without an answer after which a download is given up
# torchvision feeds these networks, when it loads its weights, with the normalisation that they were first trained with
_HALVES = ("inception_v3", "googlenet")

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Start:
    """Where the first weights of a target come from.

    Args:
        pretrained: a library's own weights of the architecture: `DEFAULT`, or their name (a member of torchvision's
            enum, a tag of timm).
        file: a file of weights instead.
        normalisation: mean and std that the weights of a file expect, per channel; None for the file's own or, if it
            names none, those of the library's weights of this architecture.
    """

    pretrained: str | None = None
    file: Path | None = None
    normalisation: Normalisation | None = None

    def check(self, architecture: str) -> None:
        """Raise InputError for weights that do not exist, before anything is read or downloaded."""
        if self.file is not None and not self.file.is_file():
            raise InputError(f"{self.file}: no such file; give the weights to start from (--start-from)")
        if self.pretrained is not None:
            _check_name(architecture, self.pretrained)

    def key(self, architecture: str, resolution: int) -> str:
        """Hash of the weights and their normalisation."""
        return _read(self, architecture, resolution).key


@dataclass(frozen=True)
class _Weights:
    """Weights as they were read. normalisation: None is this project's own. source, notes: for sentences."""

    state: Mapping[str, Tensor]
    normalisation: Normalisation | None
    key: str
    source: str
    notes: tuple[str, ...] = ()


def start_from(model: Classifier, start: Start, architecture: str, resolution: int) -> str:
    """Give a new classifier the weights to start from, but for its head, and their normalisation.

    Args:
        model: as `create_classifier` makes it for this architecture and resolution.

    Returns:
        A sentence on what was taken.

    Raises:
        InputError: the weights are not on this machine and cannot be downloaded; they are another network's (the
            message names the first names that differ); they are not finite; or the network has no linear head.
    """
    weights = _read(start, architecture, resolution)
    expected = model.backbone.state_dict()
    taken = without_prefixes(weights.state, expected)
    head = next(name for name, module in model.backbone.named_modules() if module is head_of(model.backbone))
    beside = head.rpartition(".")[0]
    instead = (f"{head}.", f"{beside}.") if beside else (f"{head}.",)  # a head of the user's may have other layers
    counters = {name for name in expected if name.endswith("num_batches_tracked") and name not in taken.state}
    wanted = {name for name in expected if not name.startswith(f"{head}.") and name not in counters}
    state = {
        name: value
        for name, value in taken.state.items()
        if name in wanted or not name.startswith((*AUXILIARY_HEADS, *instead))
    }
    if differing := difference(state, [name for name in expected if name in wanted]):
        raise InputError(f"{weights.source}: not the weights of a {_name(architecture)}: {differing}")
    misfits = [name for name in state if state[name].shape != expected[name].shape]
    if misfits:
        shapes = ", ".join(f"'{n}' {tuple(state[n].shape)} and not {tuple(expected[n].shape)}" for n in misfits[:3])
        raise InputError(
            f"{weights.source}: weights of other shapes than a {_name(architecture)} for these images has: {shapes}; "
            "check --architecture and --resolution"
        )
    for name, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(f"{weights.source}: '{name}' holds NaN or infinite values")
    model.backbone.load_state_dict(state, strict=False)
    if weights.normalisation is not None:
        channels = {len(values) for values in weights.normalisation}
        inputs = next(p.shape[1] for p in model.backbone.parameters() if p.ndim == 4)
        if not channels <= {1, inputs}:
            raise InputError(f"{weights.source}: its normalisation has {max(channels)} channels, the images {inputs}")
        model.normalise_by(*weights.normalisation)
    notes = [*weights.notes, taken.sentence, f"head '{head}' replaced", _normalised(model)]
    return f"targets start from {weights.source} ({'; '.join(note for note in notes if note)})"


@lru_cache(maxsize=4)
def _read_once(start: Start, architecture: str, resolution: int, changed: int) -> _Weights:
    if start.file is not None:
        return _from_file(start, start.file, architecture)
    assert start.pretrained is not None  # a start is one of the two
    _check_name(architecture, start.pretrained)
    if architecture.startswith(TIMM):
        return _from_timm(architecture, start.pretrained, resolution)
    return _from_torchvision(architecture, start.pretrained)


def _read(start: Start, architecture: str, resolution: int) -> _Weights:
    start.check(architecture)
    return _read_once(start, architecture, resolution, start.file.stat().st_mtime_ns if start.file is not None else 0)


def _made(state: Mapping[str, Tensor], normalisation: Normalisation | None, source: str, *notes: str) -> _Weights:
    key = content_key({name: tensor_key(value) for name, value in state.items()}, normalisation)
    return _Weights(state, normalisation, key, source, notes)


# ------------------------------------------------------------------------------------------------------------- a file


def _from_file(start: Start, file: Path, architecture: str) -> _Weights:
    state = read_state(file)
    normalisation, note = start.normalisation, ""
    if is_classifier(state):
        own = None
        if all(name in state for name in NORMALISATION):
            mean, std = (tuple(state[name].flatten().tolist()) for name in NORMALISATION)
            own = (mean, std)
        state = {name: value for name, value in state.items() if name.startswith(BACKBONE_PREFIX)}
        normalisation, note = normalisation or own, "a classifier of mi_tune"
    elif normalisation is None:
        normalisation = usual_normalisation(architecture)
    return _made(state, normalisation, str(file), note)


def usual_normalisation(architecture: str) -> Normalisation | None:
    """The normalisation of a library's weights of an architecture; None where it has none, and for own networks."""
    if is_own(architecture):
        return None
    if architecture.startswith(TIMM):
        return _timm_normalisation(_timm_model(architecture, DEFAULT))
    try:
        return _torchvision_normalisation(architecture, _enum(architecture).DEFAULT)
    except (InputError, AttributeError):
        return None


# -------------------------------------------------------------------------------------------------------- torchvision


def _enum(architecture: str) -> Any:
    from torchvision.models import get_model_weights

    try:
        return get_model_weights(architecture)
    except ValueError:
        raise InputError(
            f"--pretrained: there are no weights of '{architecture}' but yours; give --start-from FILE, or an "
            "architecture of torchvision or timm"
        ) from None


def _member(architecture: str, name: str) -> Any:
    members = _enum(architecture)
    known = [one.name for one in members]
    plain = name.rpartition(".")[2]  # also ResNet18_Weights.DEFAULT
    if plain == DEFAULT:
        return members.DEFAULT
    if plain not in known:
        names = [DEFAULT, *known]
        raise InputError(f"--pretrained: no weights '{name}' of {architecture}; {did_you_mean(plain, names)}")
    return members[plain]


def _torchvision_normalisation(architecture: str, member: Any) -> Normalisation:
    if architecture in _HALVES:
        return (0.5,) * 3, (0.5,) * 3
    preset = member.transforms()
    return tuple(preset.mean), tuple(preset.std)


def _from_torchvision(architecture: str, name: str) -> _Weights:
    member = _member(architecture, name)
    file = Path(member.url).name
    with _downloading(file, member.url):
        state = member.get_state_dict(progress=False, check_hash=True, map_location="cpu", weights_only=True)
    return _made(state, _torchvision_normalisation(architecture, member), f"torchvision's {member}")


@contextmanager
def _downloading(file: str, origin: str) -> Iterator[None]:
    """Turn the failure of a download into one line that says which file belongs where."""
    before, hub = socket.getdefaulttimeout(), logging.getLogger("huggingface_hub")
    level = hub.level
    socket.setdefaulttimeout(_PATIENCE)
    hub.setLevel(logging.CRITICAL)  # it writes a line for every try
    try:
        yield
    except Exception as error:  # from the network, the disk or the library
        raise InputError(
            f"--pretrained: the weights are not on this machine and cannot be downloaded ({one_line(error)}); get "
            f"{origin} elsewhere and put it here as {_hub() / file}"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
        hub.setLevel(level)


def _hub() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


# --------------------------------------------------------------------------------------------------------------- timm


def _timm_model(architecture: str, tag: str) -> str:
    import timm

    model = architecture.removeprefix(TIMM)
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{model.partition('.')[0]}.*")]
    if not tags:
        raise InputError(f"--pretrained: timm has no weights of '{model}'; give --start-from FILE")
    if tag == DEFAULT:
        return model if "." in model else f"{model}.{_timm_settings(model).tag}"
    if tag not in tags:
        raise InputError(f"--pretrained: no weights '{tag}' of {model}; {did_you_mean(tag, [DEFAULT, *tags])}")
    return f"{model.partition('.')[0]}.{tag}"


def _timm_settings(model: str) -> Any:
    import timm

    return timm.get_pretrained_cfg(model)


def _timm_normalisation(model: str) -> Normalisation:
    settings = _timm_settings(model)
    return tuple(settings.mean), tuple(settings.std)


def _from_timm(architecture: str, tag: str, resolution: int) -> _Weights:
    """timm itself reads its weights, because it fits position embeddings to the size of the images."""
    model = _timm_model(architecture, tag)
    file = f"{model}.safetensors"
    here = _hub() / file
    settings = _timm_settings(model)
    options: dict[str, Any] = {}
    if here.is_file():
        read_state(here)  # refuses a damaged file with its name
        options = {"pretrained_cfg_overlay": {"file": str(here)}}
    with _downloading(file, f"model.safetensors of {settings.hf_hub_id or settings.url}"):
        network = library_network(f"{TIMM}{model}", settings.num_classes, resolution, pretrained=True, **options)
    return _made(network.state_dict(), _timm_normalisation(model), f"timm's {model}")


# -------------------------------------------------------------------------------------------------------------- words


def _check_name(architecture: str, name: str) -> None:
    if is_own(architecture):
        raise InputError("--pretrained: your own network has no weights of a library; give --start-from FILE")
    if architecture.startswith(TIMM):
        _timm_model(architecture, name)
    else:
        _member(architecture, name)


def _name(architecture: str) -> str:
    return Path(architecture).name if is_own(architecture) else architecture


def _normalised(model: Classifier) -> str:
    if model.mean is None or model.std is None:
        return "it gets pixels as they are" if model.raw else "images normalised by mean 0.5, std 0.5"
    mean, std = (", ".join(f"{value:.3g}" for value in part.flatten().tolist()) for part in (model.mean, model.std))
    return f"images normalised by mean {mean}, std {std}"
