"""The study folder as a worker sees it: a folder on a disk of its own machine, or files that travel through Ray."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mi_tune.runtime.cache import FarFolder, save_atomically
from mi_tune.runtime.errors import InputError, disk_is_full

MARK = ".place"
"""File with a word that only this folder has: who reads it there sees the driver's disk."""
END = ".ending"
"""File that tells workers to keep their progress, because the study is about to end."""
ANSWER_SECONDS = 300.0
"""How long the first process on a busy machine may take to start."""


class FolderError(Exception):
    """The folder is gone, or cannot be written to. The message says which and why."""


class Depot:
    """An actor on the driver's machine that reads and writes files of the folder for workers on other disks.

    A call carries one file, so that no more than one file per worker is in memory.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def read(self, name: str) -> bytes | None:
        """A file's content; None if there is none."""
        try:
            return self._path(name).read_bytes()
        except OSError:
            return None

    def write(self, name: str, content: bytes, owner_only: bool) -> None:
        """Write a file; returns once it is complete."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_atomically(path, lambda temporary: temporary.write_bytes(content), owner_only)

    def has(self, name: str) -> bool:
        return self._path(name).exists()

    def _path(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or PurePosixPath(name).is_absolute():
            raise ValueError(f"{name}: not a file of the folder")
        return self.folder.joinpath(*parts)


@dataclass(frozen=True)
class SharedFolder:
    """A folder that lives with the driver. Sent to every worker.

    Args:
        folder: its path on the driver's machine. word: what its MARK says. depot: the actor that workers without it
            ask; None if all workers are on the driver's machine.
    """

    folder: Path
    word: str
    depot: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return SharedFolder, (self.folder, self.word, self.depot)  # another process may not see what this one does

    @cached_property
    def here(self) -> bool:
        """Whether this process sees the folder itself."""
        if self.depot is None:
            return True
        try:
            return (self.folder / MARK).read_text() == self.word and os.access(self.folder, os.W_OK)
        except OSError:
            return False

    def read(self, name: str) -> bytes | None:
        """Content of a file, given by its path in the folder with `/`; None if there is none."""
        if not self.here:
            return self._ask("read", name)
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def write(self, name: str, write: Callable[[Path], object], owner_only: bool = False) -> None:
        """Write a file with `write`, which is called with a temporary file.

        Raises FolderError, or OSError if the disk is full.
        """
        if self.here:
            with _told(self.folder):
                path = self.folder / name
                if not self.folder.is_dir():
                    raise FileNotFoundError(2, os.strerror(2))
                path.parent.mkdir(parents=True, exist_ok=True)
                save_atomically(path, write, owner_only)
            return
        with tempfile.TemporaryDirectory(prefix="mi_tune-") as scratch:
            path = Path(scratch) / PurePosixPath(name).name
            write(path)
            self._ask("write", name, path.read_bytes(), owner_only)

    def write_folder(self, name: str, write: Callable[[Path], object]) -> None:
        """Write the files of a folder with `write`, which is called with a path that it makes a folder.

        Raises FolderError, or OSError if the disk is full.
        """
        if self.here:
            with _told(self.folder):
                if not self.folder.is_dir():
                    raise FileNotFoundError(2, os.strerror(2))
                write(self.folder / name)
            return
        with tempfile.TemporaryDirectory(prefix="mi_tune-") as scratch:
            made = Path(scratch) / "made"
            write(made)
            for path in sorted(p for p in made.rglob("*") if p.is_file()):
                owner_only = not stat.S_IMODE(path.stat().st_mode) & 0o077
                inner = path.relative_to(made).as_posix()
                self._ask("write", f"{name}/{inner}", path.read_bytes(), owner_only)

    def ending(self) -> bool:
        """Whether the study is about to end."""
        return (self.folder / END).exists() if self.here else self._ask("has", END)

    def _ask(self, method: str, *arguments: Any) -> Any:
        try:
            return ray.get(getattr(self.depot, method).remote(*arguments))
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, OSError) and not disk_is_full(cause):
                raise FolderError(f"{self.folder} cannot be written to ({cause.strerror})") from error
            raise (cause if isinstance(cause, OSError) else error) from error


class FarCopies(FarFolder):
    """A shared folder that this process does not see, with copies in a folder of its own that ends with the process."""

    def __init__(self, place: SharedFolder) -> None:
        self.place, self._scratch = place, tempfile.TemporaryDirectory(prefix="mi_tune-")
        super().__init__(Path(self._scratch.name))

    def fetch(self, name: str) -> None:
        content = self.place.read(name)
        if content is not None:
            save_atomically(self.folder / name, lambda path: path.write_bytes(content), owner_only=True)

    def keep(self, name: str) -> None:
        path = self.folder / name
        self.place.write(name, lambda copy: shutil.copyfile(path, copy), owner_only=True)


class _told:
    """Turns an error of the disk, other than a full one, into a FolderError that names the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and not disk_is_full(error):
            raise FolderError(f"{self.folder} cannot be written to ({error.strerror or error})") from error


def share_folder(folder: Path, elsewhere: bool) -> SharedFolder:
    """The place of a run that begins, in the driver.

    Args:
        folder: exists, and this process may write to it. elsewhere: whether workers may be on other machines.

    Raises:
        InputError: Ray's node on this machine does not see the folder.
    """
    folder = folder.absolute()
    word = secrets.token_hex(16)
    (folder / END).unlink(missing_ok=True)
    save_atomically(folder / MARK, lambda path: path.write_text(word))
    if not elsewhere:
        return SharedFolder(folder, word)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # a few calls at a time: a large file must not hold up the others
    options: dict[str, Any] = {"num_cpus": 0, "max_concurrency": 4, "scheduling_strategy": here}
    depot: Any = ray.remote(**options)(Depot).remote(str(folder))
    try:
        seen = ray.get(depot.read.remote(MARK), timeout=ANSWER_SECONDS)
    except ray.exceptions.RayError as error:
        raise InputError(
            f"{folder}: Ray's node on this machine gives no process to keep files there ({error})"
        ) from error
    if seen != word.encode():
        raise InputError(
            f"{folder}: Ray's node on this machine, which runs as another user or in another container, does not see "
            "this folder; choose an --out that both see"
        )
    return SharedFolder(folder, word, depot)


def ask_to_end(place: SharedFolder) -> None:
    """Tell all workers that the study is about to end, from the driver."""
    (place.folder / END).touch()


def unshare_folder(place: SharedFolder) -> None:
    """Remove what only a running study needs, in the driver."""
    for name in (END, MARK):
        with suppress(OSError):
            (place.folder / name).unlink(missing_ok=True)
