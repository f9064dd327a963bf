"""Parts of an attack as plain values, for descriptions and cache keys."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any


def plain(part: object) -> Any:
    """A part with its parameters as plain values (dictionaries, lists, strings, numbers)."""
    if is_dataclass(part) and not isinstance(part, type):
        return {"kind": type(part).__name__, **{f.name: plain(getattr(part, f.name)) for f in fields(part)}}
    if isinstance(part, tuple):
        if len(part) > 1 and is_dataclass(part[0]) and all(p == part[0] for p in part):
            return {"times": len(part), **plain(part[0])}
        return [plain(p) for p in part]
    return part
