"""Conversion between an erasing law and the columns of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mi_tune.erasing.law import ErasingLaw


def law_columns(law: ErasingLaw) -> dict[str, Any]:
    """The columns that describe a law in a table; `law_of` is the inverse."""
    return {
        "probability": law.probability,
        "area_low": law.area[0],
        "area_high": law.area[1],
        "aspect_low": law.aspect[0],
        "aspect_high": law.aspect[1],
        "location": law.location,
        "fill": law.fill if isinstance(law.fill, str) else ",".join(f"{v:.4g}" for v in law.fill),
        "count": law.count,
        "clean_epochs": law.clean_epochs,
    }


def law_of(row: Mapping[str, Any]) -> ErasingLaw:
    """The erasing law that a row with the columns of `law_columns` describes."""
    fill = row["fill"]
    return ErasingLaw(
        probability=float(row["probability"]),
        area=(row["area_low"], row["area_high"]),
        aspect=(row["aspect_low"], row["aspect_high"]),
        location=row["location"],
        fill=tuple(float(v) for v in fill.split(",")) if fill[:1].isdigit() else fill,
        count=int(row["count"]),
        clean_epochs=int(row["clean_epochs"]),
    )
