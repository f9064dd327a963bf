"""The user's own images, wherever they are, and their division into private and public people."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mi_tune.data.arrays import SUFFIX, Arrays, loaded_arrays, stored_arrays
from mi_tune.data.bank import Bank
from mi_tune.data.listing import Listing, list_folder
from mi_tune.data.named import DATA_SETS
from mi_tune.data.places import is_loader, is_name
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed

People = Listing | Arrays
"""People with their images before these are brought to one size."""


def people_at(place: Path, root: Path | None = None, minimum_images: int = 1) -> People:
    """The people of an ImageFolder, a file of arrays, a loader, or a data set by name (see `places`).

    Args:
        root: the folder of the data sets by name.
        minimum_images: of every identity, which a data set by name need not have.

    Raises:
        InputError: from each of them; or a name without a root.
    """
    if is_name(place):
        if root is None:
            raise InputError(
                f"{place} is a data set by name, which needs --data-root DIR (`mi-tune data` explains it); "
                f"for a folder of that name give ./{place}"
            )
        return DATA_SETS[str(place)].listing(root)
    if is_loader(place):
        people: People = loaded_arrays(str(place))
    else:
        people = stored_arrays(place) if place.suffix == SUFFIX else list_folder(place, minimum_images)
    people.require(minimum_images)
    return people


def own_bank(
    place: Path,
    resolution: int,
    channels: int | None = None,
    fit: str = "crop",
    minimum_images: int = 1,
    root: Path | None = None,
) -> Bank:
    """Read all images of a place; see `people_at`, and `folder_bank` for the arguments. Raises InputError."""
    people = people_at(place, root, minimum_images)
    people.require(minimum_images)
    return people.read(resolution, channels, fit)


def own_sides(
    private: Path,
    public: Path | None,
    wanted: int | None,
    seed: int,
    root: Path | None = None,
) -> tuple[People, People, tuple[str, ...]]:
    """The private and the public people, and lines about them: what was left out, and how much of a data set is there.

    Args:
        public: None, or the name that `private` has too, divides the people of `private`.
        wanted: number of private people. Of CelebA they are those with the most images, as in the attacks' papers; else
            they are drawn by `seed`. By default all are private, or three fifths where both sides are from one place.

    Raises:
        InputError: from `people_at`; someone is on both sides; or there are too few people.
    """
    people = people_at(private, root, minimum_images=3)
    rule = DATA_SETS[str(private)] if is_name(private) else None
    if rule is not None and rule.identities is None:
        raise InputError(f"{private} names no people, so it can only be public; choose another --private")
    notes = [*people.notes, *_size_note(private, people)]
    if public is None or (rule is not None and public == private):
        if people.identities < 4:
            raise InputError(
                f"{private}: {people.identities} identities cannot be split into private and public people; "
                "give --public DIR"
            )
        usual = round(people.identities * 0.6)
        if rule is not None and rule.most_images and rule.most_images <= people.identities - 2:
            usual = rule.most_images
        count = wanted or usual
        if not 2 <= count <= people.identities - 2:
            raise InputError(
                f"cannot make {count} of {people.identities} identities private: both sides need two or more; "
                "change private_identities or add data"
            )
        chosen = _chosen(people, private, count, seed)
        ours, theirs = people.only(chosen), people.only(np.setdiff1d(np.arange(people.identities), chosen))
    else:
        theirs = people_at(public, root)
        notes += [*theirs.notes, *_size_note(public, theirs)]
        shared = sorted(set(people.names) & set(theirs.names))
        if shared:
            raise InputError(
                f"identity '{shared[0]}' is in both {private} and {public}"
                f"{f' (and {len(shared) - 1} more)' if len(shared) > 1 else ''}; the attacker may not know private "
                "people: move it to one side, or rename it if it is another person"
            )
        count = wanted or min(people.identities, (rule and rule.most_images) or people.identities)
        if count > people.identities:
            raise InputError(f"{private}: {people.identities} identities, fewer than private_identities {count}")
        ours = people if count == people.identities else people.only(_chosen(people, private, count, seed))
    ours.require(3)
    return ours, theirs, tuple(notes)


def _chosen(people: People, place: Path, count: int, seed: int) -> np.ndarray:
    """The private identities, sorted."""
    if is_name(place) and DATA_SETS[str(place)].most_images:
        return np.sort(np.argsort(-people.counts, kind="stable")[:count])
    order = np.random.default_rng(derive_seed(seed, "identities")).permutation(people.identities)
    return np.sort(order[:count])


def _size_note(place: Path, people: People) -> tuple[str, ...]:
    return DATA_SETS[str(place)].size_note(people) if is_name(place) and isinstance(people, Listing) else ()
