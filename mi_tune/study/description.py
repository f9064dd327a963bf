"""What a study says about itself: on the console as it begins, in study.yaml, in its examples, and to trackers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console

from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.device import pick_device
from mi_tune.runtime.provenance import provenance
from mi_tune.runtime.wording import counted
from mi_tune.search.warm import WarmStart
from mi_tune.setup import Setup
from mi_tune.study.fixed_laws import reference_points
from mi_tune.study.folder import StudyFolder
from mi_tune.trial.assets import StudyData, attacks_of, start_key, start_sentence
from mi_tune.trial.attacked import attacked_people


def introduce(setup: Setup, seed: int, data: StudyData, console: Console) -> None:
    """Say on the console what the study is about: data, attacked people, the targets' start, and tight trials."""
    console.print(
        f"[bold]{setup.name}[/]: {data.private.identities} private people ({len(data.private)} images: "
        f"{len(data.split.train)} train, {len(data.split.val)} val, {len(data.split.test)} test), "
        f"{data.public.identities} public ({len(data.public)} images), "
        f"{data.private.resolution} px, {'grey' if data.private.channels == 1 else 'RGB'}",
        highlight=False,
        soft_wrap=True,
    )
    people = len(attacked_people(setup, data.private.identities, seed))
    if people < data.private.identities:
        console.print(f"each trial attacks {people} of the private people, the same for all laws", highlight=False)
    for note in data.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    if data.copies_dropped:
        console.print(
            f"{counted(data.copies_dropped, 'public image')} dropped: (nearly) equal to private ones", highlight=False
        )
    if sentence := start_sentence(setup, data.private):
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    points = len(reference_points(setup.search.space))
    if setup.search.space.defences and 2 * points > setup.search.trials:
        console.print(
            f"{points} of the {setup.search.trials} trials are reference points, each defence as published; --trials "
            f"{3 * points} leaves room for a search",
            highlight=False,
            style="yellow",
        )


def describe_study(
    setup: Setup, seed: int, data: StudyData, warm: WarmStart | None, smoke: bool, images_allowed: bool
) -> dict[str, Any]:
    """Content of study.yaml, without the judge and the prior, which are still being made.

    Args:
        warm: what the study takes over from an earlier one, or None.
        smoke, images_allowed: see `RunOptions`.
    """
    attack, *others = attacks_of(setup)
    private, split = data.private, data.split
    return {
        "name": setup.name,
        "smoke": smoke,
        "seed": seed,
        "images_allowed": images_allowed,
        "data": {
            "source": setup.data.source,
            "private": {
                "fingerprint": private.fingerprint(),
                "identities": private.identities,
                "images": len(private),
                "train": len(split.train),
                "val": len(split.val),
                "test": len(split.test),
            },
            "public": {
                "fingerprint": data.public.fingerprint(),
                "identities": data.public.identities,
                "images": len(data.public),
            },
            "channels": private.channels,
            "resolution": private.resolution,
            "dropped": [f"{data.copies_dropped} public images that (nearly) equal private ones"]
            if data.copies_dropped
            else [],
            "mean": list(private.mean(split.train)),
        },
        "config": setup.model_dump(mode="json"),
        "start": start_key(setup),
        "attack": {
            "name": attack.name,
            "budget": attack.budget,
            "parts": _plain(attack.describe()),
            **({"others": [_plain(one.describe()) for one in others]} if others else {}),
        },
        "judge": None,
        "prior": None,
        "recogniser": None,
        "ceilings": [],
        **({"warm_start": warm.notes} if warm else {}),
        "baselines": {"chance": 1 / private.identities},
        "hypervolume_reference": {"natural_accuracy": 0.0, "attack_accuracy": 1.0},
        "floor": {"min_accuracy": setup.search.min_accuracy, "min_accuracy_kept": setup.search.min_accuracy_kept},
        **provenance(pick_device()),
    }


def write_examples(study: StudyFolder, data: StudyData, people: np.ndarray) -> None:
    """Save one un-erased training image of every attacked person, for the report."""
    train = data.split.train
    _, first = np.unique(data.private.labels[train], return_index=True)
    arrays = {"images": data.private.images[train[first]][people], "class_names": np.array(data.private.names)[people]}
    save_atomically(study.path / "examples.npz", lambda p: np.savez_compressed(p, **arrays), owner_only=True)


def by_dotted_key(values: Mapping[str, Any], place: str = "") -> dict[str, str | int | float]:
    """Nested values by dotted keys, as trackers take them; lists as text, without what is None."""
    found: dict[str, str | int | float] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= by_dotted_key(value, f"{place}{key}.")
        elif value is not None:
            found[f"{place}{key}"] = value if isinstance(value, (str, int, float)) else str(value)
    return found


def _plain(value: Any) -> Any:
    """The value with tuples turned into lists, for YAML."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value
