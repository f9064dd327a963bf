"""Conversion between a treatment and the columns of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mi_tune.defences.registry import mix_name, read_mix
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import ErasingLaw
from mi_tune.erasing.columns import law_columns, law_of
from mi_tune.erasing.wording import describe


def treatment_columns(law: Mapping[str, Any], defences: str = "") -> dict[str, Any]:
    """The columns that describe a trial's treatment; `treatment_of` is the inverse.

    law: as `ErasingLaw.to_dict`. defences: the others, as `Treatment.mix` writes them.
    """
    return {**law_columns(ErasingLaw.from_dict(dict(law))), "defences": defences}


def treatment_of(row: Mapping[str, Any]) -> Treatment:
    """The treatment that a row of the table of trials describes; tables of early versions know no other defences."""
    return Treatment(law_of(row), defences=read_mix(str(row.get("defences") or "")))


def described(row: Mapping[str, Any]) -> str:
    """The treatment of a row in words."""
    return described_treatment(treatment_of(row))


def described_treatment(treatment: Treatment) -> str:
    """An erasing law and other defences in words."""
    law = treatment.law
    return mix_name(describe(law), treatment.defences, erases=law.probability > 0)
