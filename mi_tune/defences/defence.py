"""What a defence beside erasing is: few moments at which it may act, and what is known about it."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from mi_tune.nets.guards import Guard
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.mix_text import mix_text


@dataclass(frozen=True)
class Limits:
    """The values that a parameter may have, and those that a search tries.

    Args:
        low, high: of the parameter's valid values. searched: ends of the searched range.
        log: whether it is searched on a logarithmic scale. whole: whether it is a whole number.
    """

    low: float
    high: float
    searched: tuple[float, float]
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Defence:
    """A defence at one setting: its parameters are its fields, and their defaults the published ones.

    `kind` is its name in set-ups and on the command line, `title` its name in the field. `part` is what it changes; two
    defences that change the same part exclude each other, and so do `excludes`, parts that it cannot stand beside.
    `undone_by`: attacks, as `name:budget`, that are known or likely to see through it. `cost`: duration of a training
    as a multiple of one without it, as published. `needs_public`: whether it trains on the public people first.

    Raises:
        InputError: a parameter is no finite number or outside its limits.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    part: ClassVar[str]
    limits: ClassVar[dict[str, Limits]]
    excludes: ClassVar[tuple[str, ...]] = ()
    undone_by: ClassVar[tuple[str, ...]] = ()
    cost: ClassVar[float] = 1.0
    needs_public: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, limits in self.limits.items():
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            if not number or not limits.low <= value <= limits.high or (limits.whole and value != int(value)):
                kind = "whole number" if limits.whole else "number"
                raise InputError(
                    f"defence {self.kind}: {name} {value!r} is not a {kind} in [{limits.low:g}, {limits.high:g}]"
                )

    @property
    def active(self) -> bool:
        """Whether it does anything; at strength zero the training is the plain one, bit for bit."""
        return True

    def check(self, model: nn.Module, classes: int) -> None:
        """Raise InputError, with the reason, if the defence does not fit this classifier."""

    def rebuild(self, model: nn.Module, seed: int) -> None:
        """Change the classifier, in place, before it is trained. `seed`: of new initial weights."""

    def guard(self, model: nn.Module, images: Tensor, classes: int, seed: int) -> Guard | None:
        """What acts while the rebuilt `model` trains on `images` (n, channels, height, width); None: nothing."""
        return None

    def deploy(self, model: nn.Module) -> None:
        """Turn the trained classifier, in place, into the one that is published."""

    @property
    def text(self) -> str:
        """As tables and commands write it, such as `bido:a1=0.05,a2=0.5`."""
        return mix_text([(self.kind, {name: getattr(self, name) for name in self.limits})])

    @property
    def name(self) -> str:
        """Name for reports, such as `BiDO (HSIC) 0.05, 0.5`."""
        return f"{self.title} {', '.join(f'{getattr(self, name):.4g}' for name in self.limits)}"

    def to_dict(self) -> dict[str, Any]:
        """Kind and parameters as plain JSON values."""
        return {"kind": self.kind, **{name: getattr(self, name) for name in self.limits}}


def check_mix(defences: Sequence[Defence]) -> None:
    """Raise InputError, with the reason, if these defences cannot be used together."""
    for number, one in enumerate(defences):
        for other in defences[:number]:
            if clash := clash_of(one, other):
                raise InputError(clash)


def clash_of(one: Defence | type[Defence], other: Defence | type[Defence]) -> str:
    """Why two defences cannot be used together; "" if they can."""
    if one.part == other.part:
        return f"defences {other.kind} and {one.kind} both change the {one.part}; give one of them"
    for first, second in ((one, other), (other, one)):
        if second.part in first.excludes:
            return f"defence {first.kind} cannot stand beside {second.kind}, which changes the {second.part}"
    return ""


def deployed(model: nn.Module, defences: Sequence[Defence]) -> nn.Module:
    """The classifier that is published after a training with these defences; `model` itself stays as it is."""
    changing = [one for one in defences if type(one).deploy is not Defence.deploy]
    if not changing:
        return model
    model = copy.deepcopy(model)
    for one in changing:
        one.deploy(model)
    return model


def at_defaults(kind: type[Defence], **values: float) -> Defence:
    """A defence with its published parameters, but for those given."""
    unknown = set(values) - set(kind.limits)
    if unknown:
        raise InputError(
            f"defence {kind.kind}: no parameter {', '.join(sorted(unknown))}; it has {', '.join(kind.limits)}"
        )
    whole = {name: int(v) if kind.limits[name].whole and v == int(v) else v for name, v in values.items()}
    return dataclasses.replace(kind(), **whole)
