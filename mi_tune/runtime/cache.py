"""Files found again by what they were made of: a changed recipe, data set or code can never meet an old file."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from filelock import FileLock

from mi_tune.runtime.device import pick_device, precision


def cache_folder() -> Path:
    """`$MI_TUNE_CACHE`, else `~/.cache/mi_tune` (or under `$XDG_CACHE_HOME`)."""
    if "MI_TUNE_CACHE" in os.environ:
        return Path(os.environ["MI_TUNE_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mi_tune"


def content_key(*parts: Any, modules: tuple[ModuleType, ...] = ()) -> str:
    """16 hex digits from plain values, the precision that networks compute in, and the source text of the modules
    that turn them into a file."""
    digest = hashlib.sha256(json.dumps((str(precision(pick_device())), *parts), sort_keys=True, default=str).encode())
    for module in modules:
        digest.update(inspect.getsource(module).encode())
    return digest.hexdigest()[:16]


def tensor_key(tensor: torch.Tensor) -> str:
    """16 hex digits that change with any element, the shape or the type of a tensor."""
    digest = hashlib.sha256(repr((tuple(tensor.shape), tensor.dtype)).encode())
    digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()[:16]


def cached(kind: str, key: str, make: Callable[[], dict], folder: Path | None = None) -> dict:
    """The dict of tensors and plain values stored under (`kind`, `key`), made by `make` if it is not there.

    Processes that want the same file at once make it once. A file is complete or absent: it is written beside its
    place and renamed. Files are loaded without unpickling code; one that cannot be read is made anew.
    """
    folder = folder or cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{key}.pt"
    if (found := _load(path)) is not None:
        return found
    with FileLock(path.with_suffix(".lock")):
        if (found := _load(path)) is not None:
            return found
        made = make()
        save_atomically(path, lambda temporary: torch.save(made, temporary))
        return made


def find(kind: str, key: str, folder: Path | None = None) -> dict | None:
    """What is stored under (`kind`, `key`), or None."""
    return _load((folder or cache_folder()) / f"{kind}-{key}.pt")


def save_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it to `path`."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _load(path: Path) -> dict | None:
    if not path.exists():
        return None
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except Exception:  # a damaged file must cost time, not the study
        path.unlink(missing_ok=True)
        return None
