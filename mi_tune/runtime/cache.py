"""A cache of files under keys that hash their inputs: data, recipe and code. If one changes, so does the key."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from mi_tune.runtime.device import pick_device, precision


def cache_folder() -> Path:
    """The folder of the cache: `$MI_TUNE_CACHE`, else `$XDG_CACHE_HOME/mi_tune`, else `~/.cache/mi_tune`; in the
    temporary folder for a user without a home."""
    if "MI_TUNE_CACHE" in os.environ:
        return Path(os.environ["MI_TUNE_CACHE"])
    if "XDG_CACHE_HOME" in os.environ:
        return Path(os.environ["XDG_CACHE_HOME"]) / "mi_tune"
    try:
        return Path.home() / ".cache" / "mi_tune"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"mi_tune-{os.getuid()}"


def content_key(*parts: Any, modules: tuple[ModuleType, ...] = ()) -> str:
    """Cache key of a file: 16 hex digits.

    Args:
        parts: the plain values that decide the file's content.
        modules: the modules that compute it. Their source text is part of the key.

    The precision that networks compute in is also part of the key.
    """
    digest = hashlib.sha256(json.dumps((str(precision(pick_device())), *parts), sort_keys=True, default=str).encode())
    for module in modules:
        digest.update(inspect.getsource(module).encode())
    return digest.hexdigest()[:16]


def tensor_key(tensor: torch.Tensor) -> str:
    """Hash of a tensor's elements, shape and type: 16 hex digits."""
    digest = hashlib.sha256(repr((tuple(tensor.shape), tensor.dtype)).encode())
    digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()[:16]


class FarFolder(ABC):
    """A folder on another machine, with a copy here of what was used.

    Args:
        folder: of the copies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def fetch(self, name: str) -> None:
        """Copy a file to here, if the other machine has it."""

    @abstractmethod
    def keep(self, name: str) -> None:
        """Copy a file from here to the other machine."""


def cached(kind: str, key: str, make: Callable[[], dict], folder: Path | FarFolder | None = None) -> dict:
    """Load the dict stored under (`kind`, `key`), or make it with `make` and store it.

    Args:
        kind: first part of the file's name, such as `prior`. key: see `content_key`.
        make: returns a dict of tensors and plain values.
        folder: folder of the file; by default `cache_folder()`.

    A file of a `FarFolder` is looked for there too, and stored there as well.

    Of several processes that need the same file at once, one makes it and the others wait. A file is complete or
    absent: it is written under a temporary name, then renamed. Files are loaded without unpickling code. A file that
    cannot be read is made again. Where nothing can be written, what is made is not kept.
    """
    if isinstance(folder, FarFolder):
        name = f"{kind}-{key}.pt"
        if not (folder.folder / name).exists():
            folder.fetch(name)
        before = (folder.folder / name).exists()
        found = cached(kind, key, make, folder.folder)
        if not before:
            folder.keep(name)
        return found
    folder = folder or cache_folder()
    path = folder / f"{kind}-{key}.pt"
    if (loaded := _load(path)) is not None:
        return loaded
    lock = FileLock(path.with_suffix(".lock"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError:  # a folder that is read-only, or another user's
        return make()
    with lock:
        lock.release()  # the context holds it once more
        if (loaded := _load(path)) is not None:
            return loaded
        made = make()
        with suppress(OSError, RuntimeError):  # torch turns a full disk into a RuntimeError
            save_atomically(path, lambda temporary: torch.save(made, temporary), owner_only=True)
        return made


def cached_bytes(kind: str, key: str, shape: tuple[int, ...], fill: Callable[[np.ndarray], None]) -> np.ndarray:
    """A uint8 array that is a file of the cache, mapped into memory; `fill` writes it if there is none.

    What is written to the array later does not reach the file. It is made once, complete or absent, as with `cached`.
    Where no file of this size can be written, the array is in memory and is not kept.
    """
    path = cache_folder() / f"{kind}-{key}.npy"
    if (found := _mapped(path, shape)) is not None:
        return found
    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError:
        return _in_memory(shape, fill)
    with lock:
        lock.release()  # the context holds it once more
        if (found := _mapped(path, shape)) is not None:
            return found
        try:
            save_atomically(path, lambda temporary: _write_mapped(temporary, shape, fill), owner_only=True)
        except OSError:
            return _in_memory(shape, fill)
        found = _mapped(path, shape)
        return found if found is not None else _in_memory(shape, fill)


def _in_memory(shape: tuple[int, ...], fill: Callable[[np.ndarray], None]) -> np.ndarray:
    array = np.empty(shape, dtype=np.uint8)
    fill(array)
    return array


def _write_mapped(path: Path, shape: tuple[int, ...], fill: Callable[[np.ndarray], None]) -> None:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        # a disk that fills up under a mapped file would end the process, so the space is taken first
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    fill(array)
    array.flush()


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    if not path.exists():
        return None
    try:
        found = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError):  # damaged
        path.unlink(missing_ok=True)
        return None
    # a plain array over the same memory, because Ray copies subclasses
    return np.asarray(found) if found.shape == shape and found.dtype == np.uint8 else None


def find(kind: str, key: str, folder: Path | None = None) -> dict | None:
    """Load the dict stored under (`kind`, `key`); None if there is none."""
    return _load((folder or cache_folder()) / f"{kind}-{key}.pt")


def save_atomically(path: Path, write: Callable[[Path], object], owner_only: bool = False) -> None:
    """Call `write` with a temporary file in the folder of `path`, then rename that file to `path`.

    owner_only: whether nobody but the owner may read it, as for files that hold faces or a network trained on them.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o600 if owner_only else 0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _load(path: Path) -> dict | None:
    if not path.exists():
        return None
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except Exception:  # a damaged file may cost time, but must not end the study
        path.unlink(missing_ok=True)
        return None
