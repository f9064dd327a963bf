"""A whole set-up: its sections, read from a file, checked, with errors that name the key."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError

from mi_tune.paper import PaperSetup
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import near_names
from mi_tune.setup.attack import AttackSetup
from mi_tune.setup.data import DataSetup
from mi_tune.setup.judge import JudgeSetup
from mi_tune.setup.prior import PriorSetup
from mi_tune.setup.search import SearchSetup
from mi_tune.setup.section import Section
from mi_tune.setup.target import TargetSetup


class Setup(Section):
    """Everything except the seed that decides a study's numbers."""

    name: str = Field("study", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    data: DataSetup = DataSetup()
    target: TargetSetup = TargetSetup()
    prior: PriorSetup = PriorSetup()
    attack: AttackSetup = AttackSetup()
    judge: JudgeSetup = JudgeSetup()
    search: SearchSetup = SearchSetup()
    paper: PaperSetup | None = Field(None, description="what this set-up follows, where it is a published one")


def read_setup(path: Path) -> dict[str, Any]:
    """Read a YAML file of a set-up as plain values. Raises InputError if it is missing, not YAML, or not a mapping."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise InputError(f"{path}: cannot read the set-up ({error.strerror})") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: no text in UTF-8, or nested too deeply, so it is no set-up") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: a set-up is a mapping of sections such as data, target, search")
    return values


def make_setup(values: dict[str, Any], origin: str, overrides: dict[str, Any] | None = None) -> Setup:
    """Validate a set-up.

    Args:
        values: nested sections and values, as in the YAML file.
        origin: where they are from, for the error message.
        overrides: values that replace those, such as {"target.epochs": 3}; None is ignored.

    Raises:
        InputError: an unknown key or a wrong value; one line that begins with `origin` and names the key.
    """
    values = copy.deepcopy(values)
    for dotted, value in (overrides or {}).items():
        if value is not None:
            *sections, key = dotted.split(".")
            mapping = values
            for section in sections:
                mapping = mapping.setdefault(section, {})
            mapping[key] = value
    try:
        return Setup.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("tuple[", "float", "int")))
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = f"unknown key{_key_hint(first['loc'])}"
        elif first["type"] not in ("value_error", "missing"):
            message += f" (got {first['input']!r})"
        raise InputError(f"{origin}: {place + ': ' if place else ''}{message}") from error


def _key_hint(location: tuple) -> str:
    model: Any = Setup
    for part in location[:-1]:
        field = model.model_fields.get(part)
        model = field.annotation if field else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return ""
    near = near_names(str(location[-1]), model.model_fields, most=2)
    return f"; did you mean {', '.join(near)}?" if near else f"; known are {', '.join(model.model_fields)}"
