"""What a data set by name is: where it lies under a root, how its layout is read, and what it should hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mi_tune.data.listing import Listing
from mi_tune.runtime.errors import InputError


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A published data set, read in the layout in which it is distributed.

    Args:
        name: as in `--private NAME`. folders: its possible folders under the root, in lower case.
        layout: the files and folders that it must have, for messages.
        read: lists its images, given its folder; raises InputError if part of it is missing.
        origin: where it is distributed. licence: in a sentence.
        identities, images: of the whole set; identities is None for a set without, which can only be public.
        most_images: how many of its identities attacks' papers make private, those with the most images; None: all.
        crop: share of an image's shorter side that the papers' crop takes, up to `crop_up_to` pixels; above, all of it.
    """

    name: str
    folders: tuple[str, ...]
    layout: str
    read: Callable[[Path], Listing]
    origin: str
    licence: str
    identities: int | None
    images: int
    most_images: int | None = None
    crop: float = 1.0
    crop_up_to: int = 512

    def place(self, root: Path) -> Path | None:
        """Its folder under `root`, or None."""
        if not root.is_dir():
            raise InputError(f"{root}: no such folder; give the folder that holds the data sets (--data-root)")
        found = [entry for entry in sorted(root.iterdir()) if entry.is_dir() and entry.name.lower() in self.folders]
        return found[0] if found else None

    def listing(self, root: Path) -> Listing:
        """List its images.

        Raises InputError: it is not under `root`, or part of it is missing. The message says what, and from where.
        """
        place = self.place(root)
        if place is None:
            raise InputError(
                f"{root}: no {self.name} there; put {self.layout} into {root / self.folders[0]} (from {self.origin})"
            )
        found = self.read(place)
        share = lambda resolution: self.crop if resolution <= self.crop_up_to else 1.0  # noqa: E731
        return replace(found, share=share)

    def size_note(self, listing: Listing) -> tuple[str, ...]:
        """A line that says how much of the whole set a listing is; nothing if it is all."""
        images, people = int(listing.counts.sum()), listing.identities if self.identities else None
        if (images, people) == (self.images, self.identities):
            return ()
        return (f"{self.name}: {amount(people, images)} of {amount(self.identities, self.images)} in the whole set",)


def amount(identities: int | None, images: int) -> str:
    """Identities, where there are any, and images in words."""
    return f"{identities:,} identities, {images:,} images" if identities else f"{images:,} images"


def half(name: str, place: Path, missing: str, origin: str) -> InputError:
    """The error for a data set of which a part is missing."""
    return InputError(f"{place}: only part of {name}, {missing} is missing; get the rest from {origin}")
