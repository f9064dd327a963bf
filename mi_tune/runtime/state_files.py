"""Weights from files, as plain tensors by name. Files are not trusted: one that could run code when read is refused."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mi_tune.runtime.errors import InputError

WRAPPERS = ("state_dict", "model_state_dict", "model", "ema", "state_dict_ema", "model_ema")
"""Keys under which training scripts store a state_dict together with other values; the first that is there is read."""
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "backbone.")
"""What DataParallel, torch.compile and people's own modules put before the names of a network's weights."""
_DEEPEST = 4  # prefixes before one name
_NAMED = 3  # names in a message


class TakenOff(NamedTuple):
    """A state_dict after prefixes were taken off its names, and those prefixes, the outermost first."""

    state: dict[str, Tensor]
    prefixes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Which prefixes were taken off, in words; empty if none was."""
        return f"prefix '{''.join(self.prefixes)}' taken off its names" if self.prefixes else ""


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state_dict from a file of torch.save or safetensors, without unpickling code.

    A wrapper such as {"state_dict": ...} is removed, and the prefixes of DataParallel and torch.compile.

    Raises:
        InputError: the file is missing, damaged, a pickled module, TorchScript, or has no tensors.
    """
    save = "save only its weights: torch.save(model.state_dict(), 'weights.pt')"
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a file of weights")
    try:
        stored: Any = torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: not plain tensors: reading it would run pickled code; {save}") from error
    except Exception as error:  # torch passes on every kind of error of its parsers
        if "TorchScript" in str(error):
            raise InputError(f"{path}: a TorchScript archive, which holds code; {save}") from error
        kind = "safetensors" if path.suffix == ".safetensors" else "torch.save"
        raise InputError(f"{path}: not a file of {kind}, or a damaged one; {save}") from error
    for name in WRAPPERS:
        if isinstance(stored, Mapping) and isinstance(stored.get(name), Mapping):
            stored = stored[name]
    if not isinstance(stored, Mapping) or not stored or not all(isinstance(v, Tensor) for v in stored.values()):
        raise InputError(f"{path}: holds no state_dict; {save}")
    return {str(name).removeprefix("module.").removeprefix("_orig_mod."): value for name, value in stored.items()}


def without_prefixes(
    state: Mapping[str, Tensor], expected: Collection[str], prefixes: Sequence[str] = PREFIXES
) -> TakenOff:
    """Take prefixes off the names of a state_dict as long as more of them are `expected` then.

    Of the chains of prefixes after which most names are expected, the shortest is taken off.
    """
    expected = set(expected)
    best, most = TakenOff(dict(state), ()), len(expected.intersection(state))
    for depth in range(1, _DEEPEST + 1):
        for chain in itertools.product(prefixes, repeat=depth):
            whole = "".join(chain)
            if not any(name.startswith(whole) for name in state):
                continue
            shorter = {name.removeprefix(whole): value for name, value in state.items()}
            found = len(expected.intersection(shorter))
            if found > most and len(shorter) == len(state):
                best, most = TakenOff(shorter, chain), found
    return best


def difference(found: Collection[str], expected: Collection[str]) -> str:
    """Which names two state_dicts do not share, the first three of each side, as the end of a sentence; else empty."""
    missing, unexpected = [n for n in expected if n not in found], [n for n in found if n not in expected]
    parts = []
    for verb, names in (("lack", missing), ("hold an unexpected", unexpected)):
        if names:
            more = f" (and {len(names) - _NAMED} more)" if len(names) > _NAMED else ""
            parts.append(f"they {verb} {', '.join(repr(name) for name in names[:_NAMED])}{more}")
    return " and ".join(parts)
