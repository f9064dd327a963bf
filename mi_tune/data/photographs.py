"""One photograph: decoded, put upright, in 8 bits, as a square of uint8 pixels."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image

from mi_tune.runtime.errors import InputError

GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "F")
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


class Look(NamedTuple):
    """What decides how an image is decoded, beside its own pixels.

    grey: whether it, or every image of a listing, is grey. deepest: the highest value of grey pixels of more than 8
    bits, 0 without any; the deepest of a listing decides how all of its deep images are scaled.
    """

    grey: bool
    deepest: float


def look_at(file: Path) -> Look:
    """The look of one image, of which only the header is read unless it is deep. Raises InputError, as `decode`."""
    with _readable(file), Image.open(file) as opened:
        grey, deepest = opened.mode in GREY_MODES, 0.0
        if opened.mode.startswith("I") or opened.mode == "F":
            values = np.asarray(opened, dtype=np.float64)
            deepest = float(values.max()) if np.isfinite(values).all() and values.min() >= 0 else math.nan
    if math.isnan(deepest):
        raise InputError(f"{file}: has negative or NaN pixels; give pixels from 0 to 1, 255 or 65535")
    return Look(grey, deepest)


def decode(file: Path, into: np.ndarray, deepest: float = 0.0, fit: str = "crop", share: float = 1.0) -> None:
    """Decode one image.

    Args:
        into: uint8 (channels, side, side), written to; with 1 channel the image is turned to grey, with 3 to RGB.
        deepest: see `Look`.
        fit: `crop` takes the central square; `stretch` ignores the aspect ratio.
        share: with `crop`, the square's side as a share of the image's shorter side.

    Raises:
        InputError: the file is no image, or is damaged. The message names it.
    """
    with _readable(file), Image.open(file) as opened:
        image = _eight_bits(_upright(opened), deepest)
        mode = "L" if len(into) == 1 else "RGB"
        image = image if image.mode == mode else image.convert(mode)
    box = None
    if fit == "crop":
        side = min(image.size) * share
        left, top = (image.width - side) / 2, (image.height - side) / 2
        box = (left, top, left + side, top + side)
    if box is not None and share < 1:
        # cut out first, as the papers do: a resize of a box looks at the pixels beside it
        left, top, right, bottom = (round(edge) for edge in box)
        image, box = image.crop((left, top, right, bottom)), None
    pixels = np.asarray(image.resize(into.shape[1:], Image.Resampling.LANCZOS, box=box))
    into[...] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Within it, an image that Pillow cannot read ends in one line that names it."""
    try:
        yield
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise InputError(f"{file}: unreadable or truncated image ({error}); repair or remove it") from error


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
