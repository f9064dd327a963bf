"""Counts, durations and similar names in a few words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def counted(count: int, thing: str) -> str:
    """A number with its noun: `1 law`, `4 laws`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def duration(seconds: float) -> str:
    """A duration in seconds as text, in s, min or h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def near_names(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The known names that look like `name`, the most similar first; none if none does."""
    return difflib.get_close_matches(name, list(known), n=most)


def did_you_mean(name: str, known: Iterable[str], most: int = 3, otherwise: Iterable[str] | None = None) -> str:
    """The question after an unknown name: "did you mean this, that?", with the similar names.

    otherwise: the names to offer if none is similar; default: all that are known.
    """
    known = list(known)
    near = near_names(name, known, most) or list(known if otherwise is None else otherwise)
    return f"did you mean {', '.join(near)}?"
