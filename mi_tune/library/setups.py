"""A set-up from a name, a file or another set-up, changed by keywords; images from folders or from memory."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mi_tune.data import bank_of, store_bank
from mi_tune.data.places import absolute_place
from mi_tune.library.setup_files import setup_file
from mi_tune.library.words import KEYS
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import did_you_mean
from mi_tune.setup import Setup, make_setup, read_setup

Base = Setup | str | os.PathLike[str] | None
"""What a set-up starts from."""


def build_setup(base: Base = None, *, name: str | None = None, **keywords: Any) -> Setup:
    """Build and check a set-up: everything except the seed that decides a study's numbers.

    Args:
        base: a name (`mi-tune setups` lists them), a YAML file or another set-up. Default: the built-in faces (`orl`);
            with `private`, the set-up for own images (`folder`).
        name: of the study and its folder. Default: the base's, or the private folder's.
        **keywords: the options of `mi-tune pareto` with underscores, such as `private`, `public`, `identities`,
            `resolution`, `architecture`, `epochs`, `prior`, `attack`, `budget`, `sampler`, `trials`; or whole sections
            as mappings, such as `target={"report_every": 5}`. None leaves the base's value.
            `private` and `public` are a folder with one sub-folder of images per person, the name of a data set under
            `data_root`, a function that returns images and labels (`path/to/file.py:load`; `data` is another word for
            such a `private`), or images in memory: a pair (images, labels) of arrays, or a torch `Dataset` of such
            pairs. Images are uint8 or floats in [0, 1], of shape (n, height, width), (n, channels, height, width) or
            (n, height, width, channels); labels are 0, 1, 2, ... without gaps, or names. Images in memory are kept in
            the cache, under their content, where workers and a resumed study find them; `resolution` is theirs by
            default.

    Raises:
        InputError: an unknown keyword, a wrong value, unusable images, or a file that is missing. Nothing is trained.

    Example:
        >>> setup = build_setup("orl", trials=12, epochs=40)
        >>> setup.search.trials, setup.target.epochs, setup.data.source
        (12, 40, 'orl')
        >>> import numpy as np
        >>> faces = np.random.default_rng(0).integers(0, 256, (40, 32, 32), dtype=np.uint8)
        >>> setup = build_setup(private=(faces, np.arange(40) // 5), name="mine")
        >>> setup.name, setup.data.source, setup.data.resolution
        ('mine', 'folder', 32)
    """
    given = by_key(keywords)
    values, origin = base_values(base, own="data.private" in given)
    return make_setup(values, origin, given | {"name": name or own_name(given)})


def base_values(base: Base, own: bool) -> tuple[dict[str, Any], str]:
    """The values that a set-up starts from, and where they are from. own: whether the images are the user's."""
    if isinstance(base, Setup):
        return base.model_dump(mode="json"), "set-up"
    if base is not None and not isinstance(base, (str, os.PathLike)):
        raise InputError(f"the set-up is a {type(base).__name__}; give a name such as orl, a YAML file, or a Setup")
    file = setup_file(os.fspath(base) if base is not None else "folder" if own else "orl")
    return read_setup(file), str(file)


def by_key(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Values by their key in the set-up, such as `target.epochs`. Raises InputError for an unknown keyword."""
    found: dict[str, Any] = {}
    for word, value in keywords.items():
        if value is None:
            continue
        if isinstance(value, Mapping) and word in Setup.model_fields:
            found |= _flat(word, value)
        elif word in KEYS and KEYS[word] in found:
            raise InputError(f"'{word}' says again where the private images are; give either private or data")
        elif word in KEYS:
            found[KEYS[word]] = value
        else:
            raise InputError(f"unknown keyword '{word}'; {did_you_mean(word, [*KEYS, *Setup.model_fields])}")
    for side in ("private", "public"):
        if f"data.{side}" in found:
            found[f"data.{side}"] = _place(found, side)
            found["data.source"] = "folder"
    for key, value in found.items():
        if isinstance(value, os.PathLike):
            found[key] = str(Path(value).absolute())
    return found


def _flat(place: str, values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(f"{place}.{key}", value) if isinstance(value, Mapping) else {f"{place}.{key}": value}
    return found


def _place(found: dict[str, Any], side: str) -> str:
    """The place of one side's images; images in memory are stored first."""
    given = found[f"data.{side}"]
    if isinstance(given, (str, os.PathLike)):
        try:
            return absolute_place(os.fspath(given))
        except ValueError as error:
            raise InputError(f"{side}: {error}") from error
    bank = bank_of(given, side)
    height, width = bank.images.shape[2:]
    if height == width:
        found.setdefault("data.resolution", height)
    return str(store_bank(bank))


def own_name(given: Mapping[str, Any]) -> str | None:
    """The name of a study of own images that was given none: the private folder's; None for other images."""
    private = given.get("data.private")
    if private is None:
        return None
    place = Path(private).resolve()
    return "own" if place.suffix else re.sub(r"[^A-Za-z0-9._-]+", "-", place.name).strip("-._") or "own"
