"""Whom the trials of a study attack: all private people, or a sample of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import Setup


def attacked_people(setup: Setup, identities: int, seed: int) -> np.ndarray:
    """The classes that every trial of a study attacks, int64, sorted: all, or `attack.identities` of them.

    The sample is drawn from the study's seed alone, so that all laws are attacked on the same people and their
    differences are paired. The accuracy of a sample stands for people like the private ones, as does that of all of
    them; its interval resamples those who were attacked, and is wider because they are fewer. It is not narrowed for a
    share of the private people that is large: with all of them it would have no width, although others would be
    recognised more or less often.

    Args:
        identities: number of private people. seed: the study's.

    Raises:
        InputError: more people are asked for than there are.
    """
    wanted = setup.attack.identities
    if wanted is None or wanted == identities:
        return np.arange(identities)
    if wanted > identities:
        raise InputError(f"attack.identities {wanted}: there are only {identities} private people; lower it")
    return np.sort(np.random.default_rng(derive_seed(seed, "attacked people")).permutation(identities)[:wanted])


def of_all(values: Sequence[float] | np.ndarray, people: np.ndarray, identities: int) -> np.ndarray:
    """Values of the attacked people, (people,), as those of all private people, (identities,): NaN for the others."""
    whole = np.full(identities, np.nan)
    whole[people] = values
    return whole


def halved(attacks: Iterable[Mapping[str, Any]], parts: int = 1) -> dict[str, str]:
    """The column `reason` of a complete trial that had to take smaller batches; else nothing.

    attacks: of each, its `batch` (`Reconstructions.batch`). parts: in how many parts training batches were computed.
    """
    batches = [one["batch"] for one in attacks if one.get("batch")]
    done = [f"trained on each batch in {parts} parts"] * (parts > 1)
    done += [f"attacked {size} images at a time" for size in sorted(batches)[:1]]
    return {"reason": f"a batch did not fit into the GPU's memory; {' and '.join(done)}"} if done else {}
