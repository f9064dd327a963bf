"""Photographs of people with names: CelebA, FaceScrub, VGGFace2."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from mi_tune.data.listing import Listing, images_in, is_hidden
from mi_tune.data.named.data_set import DataSet, half
from mi_tune.data.photographs import Look
from mi_tune.runtime.errors import InputError

COLOUR = Look(grey=False, deepest=0.0)
"""The look of a set that is read as RGB without looking at every image first."""


def _celeba(place: Path) -> Listing:
    """Identities by their number; of each, its images by their number."""
    images = _first_folder(place, ("img_align_celeba/img_align_celeba", "img_align_celeba", "Img/img_align_celeba"))
    table = _first_file(place, ("identity_CelebA.txt", "Anno/identity_CelebA.txt"))
    if images is None:
        raise half("celeba", place, "the folder img_align_celeba", CELEBA.origin)
    if table is None:
        raise half("celeba", place, "identity_CelebA.txt", CELEBA.origin)
    people = defaultdict(list)
    for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), start=1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 2 or not parts[1].isdigit():
            raise InputError(f"{table}: line {number} is not 'image identity'; get the file again from {CELEBA.origin}")
        people[int(parts[1])].append(parts[0])
    if not people:
        raise half("celeba", place, "the content of identity_CelebA.txt", CELEBA.origin)
    there = {file.name for file in images.iterdir()}
    absent = sorted(name for names in people.values() for name in names if name not in there)
    if absent:
        total = sum(len(names) for names in people.values())
        raise half("celeba", images, f"{absent[0]} (and so are {len(absent)} of {total} images in all)", CELEBA.origin)
    known = {name for names in people.values() for name in names}
    extra = Counter("hidden" if is_hidden(name) else "without an identity" for name in there - known)
    order = sorted(people)
    files = tuple(tuple(images / name for name in sorted(people[number])) for number in order)
    return Listing(str(place), files, tuple(str(number) for number in order), dict(extra), look=COLOUR)


CELEBA = DataSet(
    name="celeba",
    folders=("celeba",),
    layout="img_align_celeba/ and identity_CelebA.txt",
    read=_celeba,
    origin="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    licence="Non-commercial research only; may not be passed on.",
    identities=10_177,
    images=202_599,
    most_images=1000,
    # the crop of 108 pixels of the attacks at 64 px and of their judges at 112; those at 224 px crop anew from the
    # original photographs, with the face at .65 of the side, which the whole width of the aligned ones comes close to
    crop=108 / 178,
    crop_up_to=112,
)


def _facescrub(place: Path) -> Listing:
    """Actors sorted by name, then actresses: the order of classes in the attacks' code."""
    sides = [_first_folder(place, (f"{side}/faces", side)) for side in ("actors", "actresses")]
    for name, side in zip(("actors/faces", "actresses/faces"), sides, strict=True):
        if side is None:
            raise half("facescrub", place, f"the folder {name}", FACESCRUB.origin)
    folders = [folder for side in sides if side is not None for folder in _sub_folders(side)]
    return _of_folders("facescrub", place, folders, FACESCRUB.origin)


FACESCRUB = DataSet(
    name="facescrub",
    folders=("facescrub",),
    layout="actors/faces/NAME/ and actresses/faces/NAME/",
    read=_facescrub,
    origin="https://vintage.winklerbros.net/facescrub.html",
    licence="A list of links for research; the photographs belong to their owners, and links die.",
    identities=530,
    images=106_863,
    crop=54 / 64,
    crop_up_to=64,
)


def _vggface2(place: Path) -> Listing:
    """The people of the training part, then those of the test part."""
    sides = [_first_folder(place, (side, f"data/{side}")) for side in ("train", "test")]
    for name, side in zip(("train", "test"), sides, strict=True):
        if side is None:
            raise half("vggface2", place, f"the folder {name}", VGGFACE2.origin)
    folders = [folder for side in sides if side is not None for folder in _sub_folders(side)]
    return _of_folders("vggface2", place, folders, VGGFACE2.origin)


VGGFACE2 = DataSet(
    name="vggface2",
    folders=("vggface2", "vgg_face2", "vgg-face2"),
    layout="train/nXXXXXX/ and test/nXXXXXX/",
    read=_vggface2,
    origin="https://www.robots.ox.ac.uk/~vgg/data/vgg_face2/",
    licence="CC BY-NC 4.0, for research; the official page no longer hands the photographs out.",
    identities=9_131,
    images=3_311_286,
)


def _of_folders(name: str, place: Path, folders: Sequence[Path], origin: str) -> Listing:
    """One identity a folder, as RGB; a folder without images is refused."""
    left_out: Counter[str] = Counter()
    files = [images_in(folder, left_out) for folder in folders]
    if not folders:
        raise half(name, place, "every identity", origin)
    for folder, images in zip(folders, files, strict=True):
        if not images:
            raise half(name, folder, "every image of this identity", origin)
    return Listing(str(place), tuple(files), tuple(f.name for f in folders), dict(left_out), look=COLOUR)


def _sub_folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not is_hidden(entry.name))


def _first_folder(place: Path, names: Sequence[str]) -> Path | None:
    return next((place / name for name in names if (place / name).is_dir()), None)


def _first_file(place: Path, names: Sequence[str]) -> Path | None:
    return next((place / name for name in names if (place / name).is_file()), None)
