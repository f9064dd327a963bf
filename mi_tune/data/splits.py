"""Splits into private and public identities and into train, val and test images, without copies across them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mi_tune.data.bank import BLOCK, Bank
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed

SAME_IMAGE = 0.99
"""Correlation of two images, at 12x12 grey, above which they count as copies of one photograph."""


@dataclass(frozen=True)
class Split:
    """Indices of a bank's images for training (train), for the search (val) and for the confirmation (test)."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def split_identities(bank: Bank, private: int, seed: int) -> tuple[Bank, Bank]:
    """Draw `private` identities at random; the others are public. Raises InputError if either side has fewer than 2."""
    if not 2 <= private <= bank.identities - 2:
        raise InputError(
            f"cannot make {private} of {bank.identities} identities private: both sides need two or more; "
            "change private_identities or add data"
        )
    order = np.random.default_rng(derive_seed(seed, "identities")).permutation(bank.identities)
    return bank.only(np.sort(order[:private])), bank.only(np.sort(order[private:]))


def split_each_identity(bank: Bank, fractions: tuple[float, float, float], seed: int) -> Split:
    """Split each identity's images into train, val and test, at least one image each.

    Args:
        fractions: shares of train, val and test; they sum to 1.

    Near-copies (`SAME_IMAGE`) stay in the same part, so val and test hold no photograph that was trained on.

    Raises:
        InputError: an identity has fewer than three different photographs. The message names it.
    """
    rng = np.random.default_rng(derive_seed(seed, "split"))
    parts: list[list[int]] = [[], [], []]
    for images, members in _photographs(bank):
        for part, group in zip(_assign(members, fractions, len(images), rng), members, strict=True):
            parts[part].extend(group)
    return _as_split(parts)


PUBLISHED_SEED, PUBLISHED_SHARE = 42, 0.9
"""How the code of attacks at 224 px (PPA and its successors) divides a data set: all images in their order, shuffled by
NumPy's legacy generator with this seed, of which this share trains."""
VAL_SHARE = 1 / 9
"""Share of the published training images of each identity that the search sees; in the papers they train."""


def published_split(bank: Bank, seed: int) -> Split:
    """The division of the attacks' papers, made sound: their last tenth is for the confirmation (test).

    Three things differ from theirs. A photograph of which a near-copy is for training is for training. A ninth of
    what is left of each identity, drawn by `seed`, is for the search (val), which they do not have. Each identity has
    at least one image in every part.

    Raises:
        InputError: see `split_each_identity`.
    """
    order = np.random.RandomState(PUBLISHED_SEED).permutation(len(bank))
    is_test = np.zeros(len(bank), dtype=bool)
    is_test[order[int(len(bank) * PUBLISHED_SHARE) :]] = True
    rng = np.random.default_rng(derive_seed(seed, "split"))
    parts: list[list[int]] = [[], [], []]
    for _, members in _photographs(bank):
        test = [group for group in members if is_test[group].all()]
        rest = [group for group in members if not is_test[group].all()]
        rest = [rest[number] for number in rng.permutation(len(rest))]
        while len(rest) < 2:
            rest.append(test.pop())
        if not test:
            test.append(rest.pop())
        val = max(1, round(len(rest) * VAL_SHARE))
        for part, groups in enumerate((rest[val:], rest[:val], test)):
            parts[part].extend(image for group in groups for image in group)
    return _as_split(parts)


def _photographs(bank: Bank) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """Of every identity, its images, and these in groups of near-copies. Raises InputError for fewer than 3 groups."""
    signature = _signature(bank.images)
    for identity, name in enumerate(bank.names):
        images = np.flatnonzero(bank.labels == identity)
        groups = _copies(signature[images])
        members = [images[groups == g] for g in range(groups.max() + 1 if len(images) else 0)]
        if len(members) < 3:
            raise InputError(
                f"identity '{name}' has {len(images)} image(s), {len(members)} of them different; train, val and test "
                "need three different ones; add images or leave the identity out"
            )
        yield images, members


def _as_split(parts: list[list[int]]) -> Split:
    train, val, test = (np.sort(np.array(part, dtype=np.int64)) for part in parts)
    return Split(train, val, test)


def _assign(
    groups: list[np.ndarray], fractions: tuple[float, float, float], total: int, rng: np.random.Generator
) -> list[int]:
    """Greedy split: the part of each group. Groups go, largest first, to the part that misses most images."""
    missing = np.array(fractions, dtype=float) * total
    order = sorted(rng.permutation(len(groups)), key=lambda g: -len(groups[g]))
    part = [0] * len(groups)
    for position, g in enumerate(order):
        left = len(order) - position
        empty = [p for p in range(3) if all(part[h] != p for h in order[:position])]
        # the last groups must go to parts that would stay empty
        choices = empty if len(empty) >= left else range(3)
        part[g] = max(choices, key=lambda p: missing[p])
        missing[part[g]] -= len(groups[g])
    return part


def drop_copies(public: Bank, private: Bank) -> tuple[Bank, int]:
    """Remove near-copies of private images from `public`; returns the rest and the number of removed images.

    The attacker's prior must not be trained on a private photograph.
    """
    private_vectors, public_vectors = _signature(private.images), _signature(public.images)
    clean = nearest(public_vectors, private_vectors) <= SAME_IMAGE
    if clean.all():
        return public, 0
    kept = public.take(np.flatnonzero(clean))
    return kept.only(np.unique(kept.labels)), int((~clean).sum())


def _blocks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def nearest(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The largest inner product of each of our vectors (n, 144) with any of theirs, (n,); block by block."""
    return np.concatenate(
        [np.max([(rows @ part.T).max(1) for part in _blocks(theirs, 4096)], axis=0) for rows in _blocks(ours, 1024)]
    )


def _signature(images: np.ndarray) -> np.ndarray:
    """Unit vectors (n, 144) whose inner products are the correlations of the images at 12x12 grey."""
    return np.concatenate([_block_signature(part) for part in _blocks(images, BLOCK)])


def _block_signature(images: np.ndarray) -> np.ndarray:
    grey = images.mean(1, dtype=np.float32)
    rows = np.linspace(0, grey.shape[1], 13).astype(int)
    cols = np.linspace(0, grey.shape[2], 13).astype(int)
    small = np.add.reduceat(np.add.reduceat(grey, rows[:-1], 1), cols[:-1], 2)
    small /= np.diff(rows)[:, None] * np.diff(cols)
    flat = small.reshape(len(images), -1)
    flat = flat - flat.mean(1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def _copies(signature: np.ndarray) -> np.ndarray:
    """Group number of each image: the connected components of the graph of near-copies."""
    first, second = np.nonzero(signature @ signature.T > SAME_IMAGE)
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(signature),) * 2)
    return connected_components(graph, directed=False)[1]
