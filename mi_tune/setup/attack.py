"""The section `attack` of a set-up."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from mi_tune.runtime.imported import checked_factory
from mi_tune.runtime.kinds import Budget
from mi_tune.setup.section import Section


class AttackSetup(Section):
    """The attack that every trial is attacked with."""

    preset: str = Field(
        "map_logit",
        description="name of a preset, or your own attack: package.module:factory or path/to/file.py:factory",
    )
    budget: Budget = "reduced"
    identities: int | None = Field(
        None, ge=5, description="private people that each trial attacks, the same for all laws; default: all of them"
    )

    others: tuple[str, ...] | None = Field(
        None,
        description="other attacks, as name or name:budget, on every target; a trial counts the one that finds most. "
        "Default: none, or with defences one that sees through them",
    )

    @field_validator("preset")
    @classmethod
    def _check_own(cls, preset: str) -> str:
        return checked_factory(preset) if ":" in preset else preset

    @field_validator("others", mode="before")
    @classmethod
    def _split(cls, others: Any) -> Any:
        if isinstance(others, str):
            return tuple(name.strip() for name in others.split(",") if name.strip() not in ("", "none"))
        return others
