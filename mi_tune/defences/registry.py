"""The defences by kind, and how they are read from text."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

from mi_tune.defences.adversarial import TargetedAdversarial
from mi_tune.defences.bottleneck import LowRank, MutualInformation
from mi_tune.defences.defence import Defence, at_defaults, check_mix
from mi_tune.defences.dependence import BidoCoco, BidoHsic
from mi_tune.defences.differential import DpSgd
from mi_tune.defences.label_smoothing import LabelSmoothing, NegativeLabelSmoothing
from mi_tune.defences.outputs import Rounding
from mi_tune.defences.skips import SkipScaling
from mi_tune.defences.transfer import TransferLearning
from mi_tune.defences.trapdoors import Trapdoors
from mi_tune.nets import guards, heads
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.mix_text import Values, mix_values
from mi_tune.runtime.wording import did_you_mean

DEFENCES: dict[str, type[Defence]] = {
    one.kind: one
    for one in (
        NegativeLabelSmoothing, LabelSmoothing, MutualInformation, LowRank, BidoHsic, BidoCoco, TransferLearning,
        SkipScaling, TargetedAdversarial, Trapdoors, DpSgd, Rounding,
    )
}  # fmt: skip


def in_order(defences: Iterable[Defence]) -> tuple[Defence, ...]:
    """The defences in the order of `DEFENCES`, a user's own last."""
    place = {kind: number for number, kind in enumerate(DEFENCES)}
    return tuple(sorted(defences, key=lambda one: place.get(one.kind, len(place))))


def kind_of(name: str) -> type[Defence]:
    """The defence of this kind. Raises InputError with similar ones."""
    if name not in DEFENCES:
        raise InputError(f"unknown defence '{name}'; {did_you_mean(name, DEFENCES)}")
    return DEFENCES[name]


def read_defence(text: str) -> Defence:
    """A defence from `kind`, `kind:value,value` with its parameters in order, or `kind:name=value`; the rest as
    published.

    Raises InputError: an unknown kind or parameter, or a value that is no number or outside its limits.
    """
    found = mix_values(text)
    if len(found) != 1:
        raise InputError(f"defence '{text}': give one, such as neg_ls or bido:0.05,0.5")
    return _made(*found[0], text)


def _made(name: str, given: Values, text: str) -> Defence:
    kind = kind_of(name)
    if any(place.isdigit() and int(place) >= len(kind.limits) for place in given):
        raise InputError(f"defence {text}: {len(given)} values; {kind.kind} has {', '.join(kind.limits)}")
    order = list(kind.limits)
    return at_defaults(kind, **{order[int(name)] if name.isdigit() else name: v for name, v in given.items()})


def read_mix(text: str) -> tuple[Defence, ...]:
    """The defences of a mix in their order, from its text in any order; "" is none.

    Raises InputError like `read_defence`, and for two that clash.
    """
    found = in_order(_made(kind, values, text) for kind, values in mix_values(text))
    check_mix(found)
    return found


def defence_from(values: Mapping[str, Any]) -> Defence:
    """A defence as `Defence.to_dict` writes it. Raises InputError."""
    given = dict(values)
    return at_defaults(kind_of(str(given.pop("kind", ""))), **given)


def code_of_defences(defences: Iterable[Defence]) -> tuple[ModuleType, ...]:
    """The modules that decide what these defences do, for cache keys; empty without any."""
    own = {sys.modules[type(one).__module__] for one in defences}
    return (guards, heads, *sorted(own, key=lambda module: module.__name__)) if own else ()


def mix_name(law: str, defences: Sequence[Defence], erases: bool = True) -> str:
    """Name of an erasing law together with defences. `law`: its own description; left out unless it `erases`."""
    parts = [one.name for one in defences]
    return " + ".join([law, *parts] if erases or not parts else parts)
