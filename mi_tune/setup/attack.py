"""The section `attack` of a set-up."""

from __future__ import annotations

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

    @field_validator("preset")
    @classmethod
    def _check_own(cls, preset: str) -> str:
        return checked_factory(preset) if ":" in preset else preset
