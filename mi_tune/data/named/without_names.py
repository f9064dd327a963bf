"""Images without identities, for the public side: FFHQ, AFHQ, MetFaces.

All images of such a set are one identity. So nothing can be learnt that needs people who are told apart: a verifier, or
targets that are pre-trained on the public people.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mi_tune.data.listing import Listing, images_in
from mi_tune.data.named.data_set import DataSet, half
from mi_tune.data.named.faces import COLOUR


def _ffhq(place: Path) -> Listing:
    """The thumbnails, which are numbered without gaps."""
    folder = place / "thumbnails128x128"
    if not folder.is_dir():
        raise half("ffhq", place, "the folder thumbnails128x128", FFHQ.origin)
    left_out: Counter[str] = Counter()
    files = images_in(folder, left_out)
    numbers = {int(file.stem) for file in files if file.stem.isdigit()}
    if not numbers:
        raise half("ffhq", folder, "every image", FFHQ.origin)
    gap = next((number for number in range(max(numbers)) if number not in numbers), None)
    if gap is not None:
        raise half("ffhq", folder, f"{gap:05d}.png (though {max(numbers):05d}.png is there)", FFHQ.origin)
    return Listing(str(place), (files,), ("ffhq",), dict(left_out), look=COLOUR)


FFHQ = DataSet(
    name="ffhq",
    folders=("ffhq", "ffhq-dataset"),
    layout="thumbnails128x128/00000/*.png and so on",
    read=_ffhq,
    origin="https://github.com/NVlabs/ffhq-dataset",
    licence="CC BY-NC-SA 4.0, and each photograph under its own licence of Flickr; no face recognition.",
    identities=None,
    images=70_000,
    crop=88 / 128,
    crop_up_to=64,
)


def _afhq(place: Path) -> Listing:
    """The dogs of both parts: the public side of Stanford Dogs."""
    sides = ("train/dog", "val/dog") if (place / "val").is_dir() else ("train/dog", "test/dog")
    for side in sides:
        if not (place / side).is_dir():
            raise half("afhq", place, f"the folder {side}", AFHQ.origin)
    left_out: Counter[str] = Counter()
    files = tuple(file for side in sides for file in images_in(place / side, left_out))
    if not files:
        raise half("afhq", place, "every dog", AFHQ.origin)
    return Listing(str(place), (files,), ("afhq",), dict(left_out), look=COLOUR)


AFHQ = DataSet(
    name="afhq",
    folders=("afhq", "afhq_v2", "afhqv2"),
    layout="train/dog/ and val/dog/ (v2: test/dog/)",
    read=_afhq,
    origin="https://github.com/clovaai/stargan-v2",
    licence="CC BY-NC 4.0.",
    identities=None,
    images=5_239,
)


def _metfaces(place: Path) -> Listing:
    folder = place / "images"
    if not folder.is_dir():
        raise half("metfaces", place, "the folder images", METFACES.origin)
    left_out: Counter[str] = Counter()
    files = images_in(folder, left_out)
    if not files:
        raise half("metfaces", folder, "every image", METFACES.origin)
    return Listing(str(place), (files,), ("metfaces",), dict(left_out), look=COLOUR)


METFACES = DataSet(
    name="metfaces",
    folders=("metfaces", "metfaces-dataset"),
    layout="images/*.png",
    read=_metfaces,
    origin="https://github.com/NVlabs/metfaces-dataset",
    licence="CC BY-NC 2.0; the works are in the public domain.",
    identities=None,
    images=1_336,
)
