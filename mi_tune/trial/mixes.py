"""The other defences of a study's space: their ranges, and the reference points that they add."""

from __future__ import annotations

from itertools import combinations

from mi_tune.data import Bank
from mi_tune.defences.defence import Defence, Limits, at_defaults, clash_of
from mi_tune.defences.registry import DEFENCES, kind_of, read_defence
from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw
from mi_tune.nets import create_classifier
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import did_you_mean
from mi_tune.setup import ParameterRange, Setup, Space

ALL = "all"
"""Stands for all defences that fit the target's architecture."""
SEES_THROUGH = "clean_student:reduced"
"""The attack that a study of defences runs beside its own, if it is among those that may undo one of them: it needs no
gradient of the target, and is the cheapest of these."""
MIXED_WITH = "MIDRE(0.1, 0.4)"
"""The reference law that every other defence is combined with."""


def completed(setup: Setup) -> Setup:
    """The set-up with a range for every parameter of its space's other defences, with the pairs that clash, and with an
    attack that sees through them.

    Done twice, it changes nothing more.

    Raises:
        InputError: an unknown defence or parameter, a range outside its limits, or a defence that does not fit the
            target's architecture.
    """
    space = setup.search.space
    if not space.defences:
        return setup
    given: dict[str, dict[str, ParameterRange]] = {}
    for name, ranges in space.defences.items():
        given |= single(name) if ":" in name else {name: ranges}
    fitting = given.pop(ALL, None) is not None
    found = {kind: _ranges(kind, ranges) for kind, ranges in given.items()}
    for kind in given:
        _check_fit(setup, DEFENCES[kind])
    if fitting:
        found |= {kind: _ranges(kind, {}) for kind in DEFENCES if kind not in found and _fits(setup, DEFENCES[kind])}
    found = {kind: found[kind] for kind in DEFENCES if kind in found}
    clashes = [pair for pair in combinations(found, 2) if clash_of(DEFENCES[pair[0]], DEFENCES[pair[1]])]
    changed = space.model_copy(update={"defences": found, "clashes": clashes})
    attack = setup.attack
    if attack.others is None:
        undone = any(SEES_THROUGH in DEFENCES[kind].undone_by for kind in found)
        attack = attack.model_copy(update={"others": (SEES_THROUGH,) if undone else ()})
    search = setup.search.model_copy(update={"space": changed})
    return setup.model_copy(update={"search": search, "attack": attack})


def single(text: str) -> dict[str, dict[str, ParameterRange]]:
    """A defence at one setting, as a space has it. text: see `read_defence`. Raises InputError."""
    one = read_defence(text)
    values = {name: getattr(one, name) for name in one.limits}
    return {one.kind: {name: ParameterRange(low=value, high=value) for name, value in values.items()}}


def _ranges(kind: str, given: dict[str, ParameterRange]) -> dict[str, ParameterRange]:
    known = kind_of(kind)
    for name in given:
        if name not in known.limits:
            raise InputError(f"defence {kind}: unknown parameter '{name}'; {did_you_mean(name, known.limits)}")
    return {name: _range(known, name, limits, given.get(name)) for name, limits in known.limits.items()}


def _range(kind: type[Defence], name: str, limits: Limits, given: ParameterRange | None) -> ParameterRange:
    low, high = limits.searched if given is None else (given.low, given.high)
    if low < limits.low or high > limits.high:
        raise InputError(
            f"defence {kind.kind}: {name} [{low:g}, {high:g}] is outside [{limits.low:g}, {limits.high:g}]"
        )
    if limits.whole and (low != int(low) or high != int(high)):
        raise InputError(f"defence {kind.kind}: {name} [{low:g}, {high:g}] has ends that are no whole numbers")
    # a scale needs ends above 0, and a range
    log = limits.log and 0 < low < high
    return ParameterRange(low=low, high=high, log=log, whole=limits.whole, published=getattr(kind(), name))


def _fits(setup: Setup, kind: type[Defence]) -> bool:
    try:
        _check_fit(setup, kind)
    except InputError:
        return False
    return True


def _check_fit(setup: Setup, kind: type[Defence]) -> None:
    data = setup.data
    classes = data.private_identities or 30
    model = create_classifier(setup.target.architecture, classes, data.channels or 3, data.resolution, 0)
    kind().check(model, classes)


def check_public_people(setup: Setup, public: Bank) -> None:
    """Raise InputError if a defence of the space needs public people who are told apart, and there are none."""
    needing = [kind for kind in setup.search.space.defences if DEFENCES[kind].needs_public]
    if needing and public.identities < 2:
        raise InputError(
            f"defence {needing[0]} needs at least two public people, each in a sub-folder of its own; leave it out"
        )


def published_mixes(space: Space) -> dict[str, tuple[ErasingLaw, str]]:
    """The reference points that a space's defences beside erasing add: each at its published setting, once without
    erasing and once with the law `MIXED_WITH`.

    Returns:
        For each name the erasing law and the text of the other defences, as `Treatment.mix` writes it.
    """
    found = {}
    for kind, parameters in space.defences.items():
        values = {name: limits.published for name, limits in parameters.items() if limits.published is not None}
        one = at_defaults(DEFENCES[kind], **values)
        found[one.name] = (REFERENCE_LAWS["no defence"], one.text)
        found[f"{MIXED_WITH} + {one.name}"] = (REFERENCE_LAWS[MIXED_WITH], one.text)
    return found
