"""Image files by identity, listed before any of them is decoded."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import PIL

from mi_tune.data import photographs
from mi_tune.data.bank import Bank
from mi_tune.data.photographs import Look, decode, look_at
from mi_tune.runtime.cache import cached, cached_bytes
from mi_tune.runtime.device import cpu_cores
from mi_tune.runtime.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
SPLIT_NAMES = {"train", "training", "val", "valid", "validation", "test", "testing"}
"""Names of sub-folders that are parts of a split and not people."""

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Listing:
    """The image files of each identity.

    Args:
        origin: the folder or data set, for messages.
        files: of each identity, in the order of the bank. names: one per identity.
        left_out: how many files were left out, by kind.
        look: of all images, where it is known without looking; else it is found by `surveyed`.
        share: of the shorter side of an image that its crop takes, by the resolution of the bank.
        digests: SHA-256 of the files' contents, filled where they are needed.
    """

    origin: str
    files: tuple[tuple[Path, ...], ...]
    names: tuple[str, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    look: Look | None = None
    share: Callable[[int], float] = lambda resolution: 1.0
    digests: dict[Path, bytes] = field(default_factory=dict, repr=False, compare=False)

    @property
    def identities(self) -> int:
        return len(self.names)

    @property
    def counts(self) -> np.ndarray:
        """Images of each identity, int64 (identities,)."""
        return np.array([len(files) for files in self.files], dtype=np.int64)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, in one line; nothing if nothing was."""
        if not self.left_out:
            return ()
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.left_out.items()))
        return (f"left out of {self.origin}: {kinds}",)

    def only(self, identities: np.ndarray) -> Listing:
        """The listing of these identities, in this order; its images look as they do beside all others."""
        whole = self.surveyed()
        return replace(
            whole,
            files=tuple(self.files[i] for i in identities),
            names=tuple(self.names[i] for i in identities),
        )

    def require(self, minimum: int) -> None:
        """Raise InputError that names an identity with fewer than `minimum` images."""
        for name, files in zip(self.names, self.files, strict=True):
            if len(files) < minimum:
                raise InputError(
                    f"{self.origin}/{name}: identity with {len(files)} image(s), at least {minimum} are needed; "
                    "add images or move the folder away"
                )

    def surveyed(self) -> Listing:
        """The listing with its look: whether all images are grey, and how deep the deep ones are.

        Raises InputError that names an image which cannot be read.
        """
        if self.look is not None:
            return self

        def survey() -> dict:
            looks = list(_in_threads(look_at, self._flat))
            return {"grey": all(look.grey for look in looks), "deepest": max(look.deepest for look in looks)}

        found = cached("survey", self._key(), survey)
        return replace(self, look=Look(found["grey"], found["deepest"]))

    def read(self, resolution: int, channels: int | None = None, fit: str = "crop") -> Bank:
        """Decode all images, on all cores, straight into one array.

        The array is a file in the cache that is mapped into memory, under a key of the images' content, so that the
        next start decodes nothing; where the cache cannot be written to, it is in memory. The peak of the memory is
        the bank and a few images. See `folder_bank` for the arguments.

        Raises:
            InputError: an image cannot be decoded. The message names it.
        """
        listing = self.surveyed()
        assert listing.look is not None
        grey, deepest = listing.look
        share = self.share(resolution) if fit == "crop" else 1.0
        shape = (len(self._flat), channels or (1 if grey else 3), resolution, resolution)

        def fill(array: np.ndarray) -> None:
            def one(job: tuple[int, Path]) -> None:
                decode(job[1], array[job[0]], deepest, fit, share)

            for _ in _in_threads(one, list(enumerate(self._flat))):
                pass

        images = cached_bytes("photographs", self._key(shape, deepest, fit, share), shape, fill)
        labels = np.repeat(np.arange(len(self.files), dtype=np.int64), self.counts)
        return Bank(images, labels, self.names)

    @property
    def _flat(self) -> list[Path]:
        return [file for files in self.files for file in files]

    def _key(self, *settings: object) -> str:
        """Hash of the files' contents in their order, of the code that decodes them, and of `settings`."""
        fresh = [file for file in self._flat if file not in self.digests]
        self.digests.update(zip(fresh, _in_threads(_digest, fresh), strict=True))
        whole = hashlib.sha256(repr((settings, PIL.__version__)).encode())
        whole.update(inspect.getsource(photographs).encode())
        for file in self._flat:
            whole.update(self.digests[file])
        return whole.hexdigest()[:16]


def list_folder(folder: Path, minimum_images: int = 1) -> Listing:
    """List an ImageFolder: one sub-folder for each identity, with images at any depth.

    What is hidden (`.x`, `__MACOSX`) and what is no image of a known kind is left out and counted.

    Raises:
        InputError: the folder is missing, has no sub-folders with images, is a split into train and test, or an
            identity has fewer than `minimum_images`. The message names it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder with one sub-folder of images per identity")
    left_out: Counter[str] = Counter()
    people = []
    for entry in sorted(folder.iterdir()):
        if not entry.is_dir():
            left_out[_kind(entry.name, beside=True)] += 1
        elif is_hidden(entry.name):
            left_out["hidden"] += sum(len(files) for _, _, files in os.walk(entry))
        else:
            people.append(entry)
    files = [images_in(person, left_out) for person in people]
    if not any(files):
        raise InputError(f"{folder}: no images found; expected one sub-folder of images per identity")
    if len(people) > 1 and {p.name.lower() for p in people} <= SPLIT_NAMES:
        raise InputError(
            f"{folder}: holds the parts of a split ({', '.join(p.name for p in people)}), not one sub-folder per "
            "identity; give one of the parts, or put each person's images into one folder (the study splits them)"
        )
    listing = Listing(str(folder), tuple(files), tuple(p.name for p in people), dict(left_out))
    listing.require(minimum_images)
    return listing


def images_in(folder: Path, left_out: Counter[str]) -> tuple[Path, ...]:
    """The image files in a folder at any depth, sorted; others are counted in `left_out` by their kind."""
    found = []
    for place, folders, files in os.walk(folder):
        for name in [name for name in folders if is_hidden(name)]:
            folders.remove(name)
            left_out["hidden"] += sum(len(below) for _, _, below in os.walk(Path(place, name)))
        for name in files:
            if is_hidden(name) or not name.lower().endswith(IMAGE_SUFFIXES):
                left_out[_kind(name)] += 1
            else:
                found.append(Path(place, name))
    return tuple(sorted(found))


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden or a trace of a Mac."""
    return name.startswith(".") or name == "__MACOSX"


def _kind(name: str, beside: bool = False) -> str:
    """How a file that is left out is counted. beside: it lies beside the folders of the identities."""
    suffix = Path(name).suffix.lower()
    if is_hidden(name):
        return "hidden"
    if beside and suffix in IMAGE_SUFFIXES:
        return f"{suffix} outside the sub-folders"
    return suffix or "without a suffix"


def _digest(file: Path) -> bytes:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); repair or remove it") from error


def _in_threads(work: Callable[..., _Result], jobs: Sequence) -> Iterator[_Result]:
    """Results of `work` in the order of the jobs, on all cores: hashing, decoding and resizing let go of Python's lock.

    The first job that fails ends it, and the jobs that have not begun are given up.
    """
    size = 32  # jobs that a thread takes at a time
    parts = [jobs[start : start + size] for start in range(0, len(jobs), size)]

    def several(part: Iterable) -> list[_Result]:
        return [work(job) for job in part]

    pool = ThreadPoolExecutor(cpu_cores())
    try:
        for results in pool.map(several, parts):
            yield from results
    finally:
        pool.shutdown(cancel_futures=True)
