"""The section `search.space` of a set-up: parameters of the erasing law and of other defences."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from mi_tune.erasing import FILLS, LOCATIONS
from mi_tune.runtime.wording import did_you_mean
from mi_tune.setup.section import Range, Section


class ParameterRange(Section):
    """A parameter of a defence: its searched range, or its only value where both ends are equal.

    In a set-up file `[low, high]` or a number will do; scale and published value are then the defence's own.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    published: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return {"low": value, "high": value}
        if isinstance(value, (list, tuple)) and len(value) == 2:
            return {"low": value[0], "high": value[1]}
        return value

    @model_validator(mode="after")
    def _in_order(self) -> ParameterRange:
        if self.low > self.high:
            raise ValueError(f"{[self.low, self.high]} is upside down; swap its ends")
        return self


class Space(Section):
    """The searched parameters of the erasing law, and of other defences, with their ranges.

    A range is searched, a single value is fixed, a list holds the choices. The law's area range is [area_low,
    area_low + area_span], cut at 0.95; its aspect ratio range is [1 / aspect_max, aspect_max].
    """

    probability: Range | float = (0.3, 1.0)
    area_low: Range | float = (0.02, 0.7)
    area_span: Range | float = (0.0, 0.6)
    aspect_max: Range | float = (1.0, 3.0)
    location: list[str] = Field(["inside", "overflow", "periphery"], min_length=1)
    fill: list[str] = Field(["midre", "mean", "noise"], min_length=1)
    count: tuple[int, int] | int = 1
    clean_epochs: tuple[int, int] | int = 0
    defences: dict[str, dict[str, ParameterRange]] = Field(
        {}, description="other defences that a mix may have: all, a list of names, or names with ranges of parameters"
    )
    most_defences: int = Field(3, ge=1, description="largest number of defences beside erasing in one mix")
    clashes: list[tuple[str, str]] = Field([], description="defences that cannot be used together; filled in")

    @field_validator("defences", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            between = "+" if ":" in value else ","
            value = [name.strip() for name in value.split(between) if name.strip()]
        if isinstance(value, (list, tuple)):
            return {str(name): {} for name in value}
        return {name: ranges or {} for name, ranges in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _in_range(self) -> Space:
        limits = {
            "probability": (0, 1),
            "area_low": (0.001, 0.95),
            "area_span": (0, 0.95),
            "aspect_max": (1, 10),
            "count": (1, 16),
            "clean_epochs": (0, 10_000),
        }
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            low, high = value if isinstance(value, tuple) else (value, value)
            if low > high:
                raise ValueError(f"{name} is upside down: {low} > {high}; swap its ends")
            if low < least or high > most:
                raise ValueError(f"{name} {value} is outside [{least}, {most}]")
        for name, known in (("location", LOCATIONS), ("fill", FILLS)):
            for value in getattr(self, name):
                if value not in known:
                    raise ValueError(f"unknown {name} '{value}'; {did_you_mean(value, known)}")
        return self
