"""Counts and durations in a few words."""

from __future__ import annotations


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
