"""The user's own images, from a folder or from a file of arrays."""

from __future__ import annotations

from pathlib import Path

from mi_tune.data.arrays import SUFFIX, stored_bank
from mi_tune.data.bank import Bank
from mi_tune.data.sources import folder_bank


def own_bank(
    place: Path, resolution: int, channels: int | None = None, fit: str = "crop", minimum_images: int = 1
) -> Bank:
    """Read an ImageFolder (`folder_bank`), or a file of arrays (`stored_bank`). Raises InputError as they do."""
    read = stored_bank if place.suffix == SUFFIX else folder_bank
    return read(place, resolution, channels, fit, minimum_images)
