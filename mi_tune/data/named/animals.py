"""Photographs of dogs and birds by their kind: Stanford Dogs, CUB-200."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from mi_tune.data.listing import Listing
from mi_tune.data.named.data_set import DataSet, half
from mi_tune.data.named.faces import COLOUR
from mi_tune.runtime.errors import InputError


def _dogs(place: Path) -> Listing:
    """The images of both lists, training list first, by breed."""
    images = place / "Images"
    if not images.is_dir():
        raise half("stanford_dogs", place, "the folder Images", DOGS.origin)
    breeds: dict[str, list[Path]] = defaultdict(list)
    for name in ("train_list.mat", "test_list.mat"):
        table = next((t for t in (place / name, place / "lists" / name) if t.is_file()), None)
        if table is None:
            raise half("stanford_dogs", place, name, DOGS.origin)
        for file in _file_list(table):
            breeds[Path(file).parts[0]].append(images / file)
    _all_there("stanford_dogs", [file for files in breeds.values() for file in files], DOGS.origin)
    order = sorted(breeds)
    return Listing(str(place), tuple(tuple(breeds[breed]) for breed in order), tuple(order), look=COLOUR)


def _file_list(table: Path) -> list[str]:
    """The entries of `file_list` in a MATLAB file."""
    try:
        entries = loadmat(table)["file_list"].ravel()
        return [str(entry.item() if entry.size == 1 else "".join(entry)) for entry in entries]
    except (OSError, ValueError, KeyError, NotImplementedError, MatReadError) as error:
        raise InputError(f"{table}: holds no file_list; get it again from {DOGS.origin}") from error


DOGS = DataSet(
    name="stanford_dogs",
    folders=("stanford_dogs", "stanforddogs", "dogs"),
    layout="Images/nXXXXXXXX-breed/, train_list.mat and test_list.mat",
    read=_dogs,
    origin="http://vision.stanford.edu/aditya86/ImageNetDogs/",
    licence="Photographs of ImageNet, for non-commercial research and education.",
    identities=120,
    images=20_580,
)


def _cub(place: Path) -> Listing:
    """Birds by species, in the order of images.txt."""
    place = next((p for p in (place / "CUB_200_2011", place) if (p / "images.txt").is_file()), place)
    for name in ("images.txt", "image_class_labels.txt", "classes.txt"):
        if not (place / name).is_file():
            raise half("cub200", place, name, CUB.origin)
    if not (place / "images").is_dir():
        raise half("cub200", place, "the folder images", CUB.origin)
    files, kinds, names = (_pairs(place / name) for name in ("images.txt", "image_class_labels.txt", "classes.txt"))
    unknown = sorted(set(files) ^ set(kinds))
    if unknown:
        raise half("cub200", place, f"image {unknown[0]} in images.txt or image_class_labels.txt", CUB.origin)
    birds: dict[str, list[Path]] = defaultdict(list)
    for number, file in files.items():
        birds[kinds[number]].append(place / "images" / file)
    _all_there("cub200", [file for found in birds.values() for file in found], CUB.origin)
    order = sorted(birds, key=int)
    return Listing(
        str(place), tuple(tuple(birds[k]) for k in order), tuple(names.get(k, k) for k in order), look=COLOUR
    )


def _pairs(table: Path) -> dict[str, str]:
    """Lines 'number value' by their number."""
    found = {}
    for line_number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), start=1):
        number, _, value = line.strip().partition(" ")
        if not line.strip():
            continue
        if not number.isdigit() or not value:
            raise InputError(f"{table}: line {line_number} is not 'number value'; get it again from {CUB.origin}")
        found[number] = value
    return found


CUB = DataSet(
    name="cub200",
    folders=("cub_200_2011", "cub200", "cub-200-2011", "cub"),
    layout="images/, images.txt, image_class_labels.txt and classes.txt",
    read=_cub,
    origin="https://www.vision.caltech.edu/datasets/cub_200_2011/",
    licence="For non-commercial research and education; the photographs belong to their owners.",
    identities=200,
    images=11_788,
)


def _all_there(name: str, files: list[Path], origin: str) -> None:
    if not files:
        raise half(name, Path(name), "every image", origin)
    absent = [file for file in files if not file.is_file()]
    if absent:
        count = f"{absent[0].name} (and so are {len(absent)} of {len(files)} images in all)"
        raise half(name, absent[0].parent, count, origin)
