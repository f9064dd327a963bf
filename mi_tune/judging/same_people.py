"""Private people among the public ones under other names, as a recogniser sees them.

The attacker may know no private person. A folder of public people that holds one under another name, with other
photographs, would make every attack look stronger than it is. Copies of photographs are found without a recogniser
(`data.drop_copies`); this finds people.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mi_tune.data import Bank, Split
from mi_tune.judging import gallery as gallery_module
from mi_tune.judging.gallery import Gallery
from mi_tune.runtime.cache import cached, content_key

PHOTOGRAPHS = 5
"""Photographs of each person whose mean embedding is compared with the templates."""
MOST = 10_000
"""Most public photographs that are looked at; with more people, fewer of each."""
MISSED = 0.1
"""Share of the private people whose own photographs may be less similar than what counts as a pair."""


def find_pairs(
    gallery: Gallery, private: Bank, split: Split, public: Bank, device: torch.device
) -> list[tuple[int, int]]:
    """Pairs (private, public) of classes that the gallery takes for the same person, the most similar first.

    The mean embedding of a public person's photographs is compared with the private templates. A pair is more similar
    than the mean of two values of the private people themselves: the highest similarity of any to another's template,
    and the similarity to their own that all but a tenth of them exceed, both with photographs of which no template was
    made. Where the first value is the higher one, the gallery cannot tell, and there are no pairs. Nor are there any if
    all public images have one name, because it is then nobody's.
    """
    if public.identities < 2:
        return []
    key = content_key(
        *(gallery.key, private.fingerprint(), public.fingerprint(), split.train.tolist()),
        *(PHOTOGRAPHS, MOST, MISSED),
        modules=(sys.modules[__name__], gallery_module),
    )
    found = cached("pairs", key, lambda: {"pairs": _pairs(gallery, private, split, public, device)})
    return [(int(one), int(other)) for one, other in found["pairs"]]


def _pairs(gallery: Gallery, private: Bank, split: Split, public: Bank, device: torch.device) -> Tensor:
    apart = np.concatenate([split.val, split.test])
    themselves = _means(gallery, private.take(apart), private.identities, PHOTOGRAPHS, device)
    similarity = themselves @ gallery.templates.T
    own = similarity.diag()
    others = similarity[~torch.eye(len(own), dtype=torch.bool)]
    usual, highest = float(own.quantile(MISSED)), float(others.max())
    if usual <= highest:
        return torch.zeros(0, 2, dtype=torch.int64)
    each = max(1, min(PHOTOGRAPHS, MOST // public.identities))
    strangers = _means(gallery, public, public.identities, each, device) @ gallery.templates.T
    hits = (strangers > (usual + highest) / 2).nonzero()
    order = strangers[hits[:, 0], hits[:, 1]].argsort(descending=True)
    return hits[order].flip(1)


def _means(gallery: Gallery, bank: Bank, people: int, most: int, device: torch.device) -> Tensor:
    """The mean embedding of each person's first photographs, unit vectors (people, features)."""
    order = np.argsort(bank.labels, kind="stable")
    begin = np.searchsorted(bank.labels[order], np.arange(people))
    taken = order[np.arange(len(order)) - begin[bank.labels[order]] < most]
    embedded = gallery.embedding(torch.from_numpy(bank.images[taken]), device)
    whose = F.one_hot(torch.from_numpy(bank.labels[taken]).long(), people).float()
    return F.normalize(whose.T @ embedded)


def pairs_sentence(pairs: Sequence[tuple[int, int]], private: Bank, public: Bank, recogniser: str) -> str:
    """The warning about pairs, with the names of the first; "" if there are none."""
    if not pairs:
        return ""
    what = "private and public person looks" if len(pairs) == 1 else "pairs of private and public people look"
    first = f"'{private.names[pairs[0][0]]}' and '{public.names[pairs[0][1]]}'"
    return (
        f"warning: {len(pairs)} {what} to {recogniser} like one person under two names ({first}"
        f"{' first' if len(pairs) > 1 else ''}); the attacker may know no private person: check them, and move each to "
        "one side"
    )
