"""Images in memory as a bank, and the file that keeps such a bank for workers and for a resumed study."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image

from mi_tune.data.bank import BLOCK, Bank
from mi_tune.runtime.cache import cache_folder, save_atomically
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import OwnFactory

SUFFIX = ".npz"
"""Suffix of a file of images: the arrays `images` uint8 (n, channels, height, width), `labels` int64 (n,) and `names`
str (identities,)."""


def bank_of(given: Any, side: str) -> Bank:
    """The bank of images that are in memory.

    Args:
        given: a pair (images, labels), or a torch `Dataset` of such pairs. Images are uint8, or floats in [0, 1], of
            shape (n, height, width), (n, channels, height, width) or (n, height, width, channels) with 1 or 3 channels.
            Labels are whole numbers 0, 1, 2, ... without gaps, or names. A dataset's `classes` become the names.
        side: `private`, `public` or where they are from, for messages and for names of people that have none.

    Raises:
        InputError: a type, shape, range or label that is none of these. The message says which.
    """
    names: Sequence[str] | None = None
    if isinstance(given, (tuple, list)) and len(given) == 2:
        images, labels = given
    elif (
        hasattr(given, "__getitem__")
        and hasattr(given, "__len__")
        and not isinstance(given, (tuple, list, np.ndarray, torch.Tensor))
    ):
        images, labels = _items(given, side)
        names = getattr(given, "classes", None)
    else:
        raise InputError(
            f"{side}: got a {type(given).__name__}; give a folder, a pair (images, labels), or a Dataset of such pairs"
        )
    pixels = _pixels(images, side)
    numbers, found = _labels(labels, len(pixels), side)
    if names is not None and found is None:
        if len(names) != numbers.max() + 1:
            raise InputError(
                f"{side}: labels of {numbers.max() + 1} people, but the dataset's `classes` name {len(names)}"
            )
        found = tuple(str(name) for name in names)
    # people of a loader are named by its file and function, because other people may have numbers, too
    who = side if side in ("private", "public") else side.strip("'").replace(":", "-").rpartition("/")[2]
    people = found or tuple(f"{who}-{number}" for number in range(numbers.max() + 1))
    return Bank(pixels, numbers, people)


def store_bank(bank: Bank) -> Path:
    """Keep a bank in the cache, under its content; returns the file. Raises InputError if it cannot be written."""
    path = cache_folder() / f"images-{bank.fingerprint()}{SUFFIX}"
    arrays = {"images": bank.images, "labels": bank.labels, "names": np.array(bank.names)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            save_atomically(path, lambda p: np.savez_compressed(p, allow_pickle=False, **arrays), owner_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot keep the images there ({error.strerror}); set MI_TUNE_CACHE") from error
    return path.absolute()


@dataclass(frozen=True)
class Arrays:
    """People whose images are in memory, of any size; the counterpart of `Listing`.

    Args:
        origin: the file or the loader, for messages.
    """

    origin: str
    bank: Bank

    notes: ClassVar[tuple[str, ...]] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return self.bank.names

    @property
    def identities(self) -> int:
        return self.bank.identities

    @property
    def counts(self) -> np.ndarray:
        """Images of each identity, int64 (identities,)."""
        return np.bincount(self.bank.labels, minlength=self.bank.identities)

    def only(self, identities: np.ndarray) -> Arrays:
        """Those of these identities, in this order."""
        return Arrays(self.origin, self.bank.only(identities))

    def require(self, minimum: int) -> None:
        """Raise InputError that names an identity with fewer than `minimum` images."""
        few = int(self.counts.argmin())
        if self.counts[few] < minimum:
            raise InputError(
                f"identity '{self.names[few]}' has {self.counts[few]} image(s), at least {minimum} are needed; "
                "add images or leave the identity out"
            )

    def read(self, resolution: int, channels: int | None = None, fit: str = "crop") -> Bank:
        """The images as squares of `resolution`; see `folder_bank` for the arguments."""
        images = _fitted(self.bank.images, resolution, channels, fit)
        return Bank(images, self.bank.labels, self.bank.names)


def stored_arrays(path: Path) -> Arrays:
    """Read a file of images; see `SUFFIX`. Raises InputError if it is missing or holds something else."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the same arrays again, or a folder of images")
    try:
        with np.load(path, allow_pickle=False) as stored:
            images, labels, names = stored["images"], stored["labels"], stored["names"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a file of images, labels and names (np.savez)") from error
    numbers, _ = _labels(labels, len(images), str(path))
    if len(names) != numbers.max() + 1:
        raise InputError(f"{path}: labels of {numbers.max() + 1} people, but {len(names)} names")
    return Arrays(str(path), Bank(_pixels(images, str(path)), numbers, tuple(str(name) for name in names)))


class ImageLoader(OwnFactory):
    """A user's own function that returns images and labels; see `OwnFactory` and `bank_of`."""

    kind: ClassVar[str] = "loader"


def loaded_arrays(loader: str) -> Arrays:
    """Call a user's loader, `package.module:load` or `path/to/file.py:load`, which takes no arguments.

    Raises InputError if it cannot be imported, fails, or returns something that `bank_of` refuses.
    """
    source = ImageLoader(loader)
    return Arrays(loader, bank_of(source.call(), str(source)))


def _items(dataset: Any, side: str) -> tuple[np.ndarray, list]:
    images, labels = [], []
    for number in range(len(dataset)):
        item = dataset[number]
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise InputError(f"{side}: item {number} of the dataset is no pair (image, label)")
        image, label = item
        if isinstance(image, Image.Image):
            image = np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
        images.append(_array(image))
        labels.append(label.item() if isinstance(label, (torch.Tensor, np.generic)) else label)
    if not images:
        raise InputError(f"{side}: the dataset is empty; give at least three images of each person")
    shapes = sorted({image.shape for image in images}, key=str)
    if len(shapes) > 1:
        raise InputError(
            f"{side}: images of different shapes, {shapes[0]} and {shapes[1]}; "
            "make them equal in the dataset's transform"
        )
    return np.stack(images), labels


def _array(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _pixels(images: Any, side: str) -> np.ndarray:
    """uint8 (n, channels, height, width), contiguous."""
    try:
        array = _array(images)
    except ValueError as error:
        raise InputError(f"{side}: the images are no array; they have different shapes") from error
    forms = "(n, height, width), (n, channels, height, width) or (n, height, width, channels), with 1 or 3 channels"
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in (1, 3) and array.shape[3] in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4 or array.shape[1] not in (1, 3) or 0 in array.shape:
        raise InputError(f"{side}: images of shape {np.shape(images)}; give {forms}")
    if array.dtype != np.uint8:
        if array.dtype.kind != "f":
            raise InputError(f"{side}: images of {array.dtype}; give uint8, or floats in [0, 1]")
        low, high = float(array.min()), float(array.max())
        if not (low >= 0 and high <= 1):  # also if NaN
            raise InputError(f"{side}: pixels from {low:.3g} to {high:.3g}; give floats in [0, 1], or uint8")
        whole = np.empty(array.shape, dtype=np.uint8)
        for start in range(0, len(array), BLOCK):  # block by block, because floats take four or eight times the memory
            whole[start : start + BLOCK] = np.rint(array[start : start + BLOCK] * 255)
        array = whole
    return np.ascontiguousarray(array)


def _labels(labels: Any, images: int, side: str) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Numbers from 0, int64 (n,), and the names that the labels are, if they are names."""
    array = _array(labels)
    if array.shape != (images,):
        raise InputError(f"{side}: labels of shape {array.shape} for {images} images; give one label for each")
    if array.dtype.kind in "UO" and all(isinstance(label, str) for label in array.tolist()):
        names, numbers = np.unique(array.astype(str), return_inverse=True)
        return numbers.astype(np.int64), tuple(names.tolist())
    if array.dtype.kind not in "iu":
        raise InputError(f"{side}: labels of {array.dtype}; give whole numbers 0, 1, 2, ..., or names")
    found = np.unique(array)
    if found[0] != 0 or found[-1] != len(found) - 1:
        missing = next((k for k in range(int(max(found[-1], 0)) + 1) if k not in found), None)
        what = f"start at {found[0]}" if found[0] < 0 else f"have a gap: nobody has label {missing}"
        raise InputError(f"{side}: the labels {what}; number the people 0, 1, 2, ... or give names")
    return array.astype(np.int64), None


def _fitted(images: np.ndarray, resolution: int, channels: int | None, fit: str) -> np.ndarray:
    """Images as squares of `resolution`, with that many channels."""
    have, height, width = images.shape[1:]
    wanted = channels or have
    if (height, width) != (resolution, resolution) or wanted != have:
        mode = "L" if wanted == 1 else "RGB"
        box = None
        if fit == "crop":
            side = min(height, width)
            left, top = (width - side) / 2, (height - side) / 2
            box = (left, top, left + side, top + side)
        made = np.empty((len(images), wanted, resolution, resolution), dtype=np.uint8)
        for number, image in enumerate(images):
            opened = Image.fromarray(image[0] if have == 1 else image.transpose(1, 2, 0)).convert(mode)
            scaled = np.asarray(opened.resize((resolution, resolution), Image.Resampling.LANCZOS, box=box))
            made[number] = scaled if scaled.ndim == 2 else scaled.transpose(2, 0, 1)
        images = made
    return np.ascontiguousarray(images)
