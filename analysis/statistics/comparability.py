"""May studies be compared? What their attack accuracies rest on, and what else differs between their set-ups."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.statistics.records import Study

NATURAL, ATTACK, RECOGNISED = "natural accuracy", "attack accuracy", "recognised"


@dataclass(frozen=True)
class Condition:
    """Something that must be the same in all studies.

    Args:
        what: in a few words. values: of each study, as text; "" if it is unknown. needed_for: the numbers that cannot
            be compared where it differs.
    """

    what: str
    values: tuple[str, ...]
    needed_for: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether all studies agree; what is unknown in all of them agrees."""
        return len(set(self.values)) == 1


@dataclass(frozen=True)
class Comparability:
    """conditions: what comparisons need. setups: keys of the set-ups that differ, with each study's value as text."""

    conditions: tuple[Condition, ...]
    setups: tuple[tuple[str, tuple[str, ...]], ...]

    def reasons(self, number: str) -> list[str]:
        """What differs although this number (`NATURAL`, `ATTACK`, `RECOGNISED`) needs it the same."""
        return [one.what for one in self.conditions if number in one.needed_for and not one.same]

    def sentence(self) -> str:
        """What may be compared, in a sentence or two."""
        judged = any(one.what == "recogniser" and all(one.values) for one in self.conditions)
        numbers = [NATURAL, ATTACK, *([RECOGNISED] if judged else [])]
        sound = [number for number in numbers if not self.reasons(number)]
        parts = []
        if sound:
            parts.append(f"These studies may be compared by {_listed(sound)}.")
        for number in numbers:
            if number not in sound:
                parts.append(f"They must not be compared by {number}: they differ in {_listed(self.reasons(number))}.")
        return " ".join(parts)


def comparability(studies: Sequence[Study]) -> Comparability:
    """What decides whether studies may be compared, from their descriptions alone.

    Natural accuracies need the same private images at the same size. Attack accuracies need, beside these, the same
    attack with the same parts and budget, the same prior and the same judge. What a recogniser finds needs the same
    recogniser instead of the judge. Fingerprints decide, not names.
    """
    configs = [study.config for study in studies]
    every, found = (NATURAL, ATTACK, RECOGNISED), (ATTACK, RECOGNISED)

    def condition(what: str, needed_for: tuple[str, ...], value: Any) -> Condition:
        return Condition(what, tuple(_text(value(config)) for config in configs), needed_for)

    conditions = (
        condition("private images", every, lambda c: c["data"]["private"]["fingerprint"]),
        condition(
            "size of the images", every, lambda c: f"{c['data']['resolution']} px, {c['data']['channels']} channels"
        ),
        condition("people", every, lambda c: c["data"]["private"]["identities"]),
        condition("public images", found, lambda c: c["data"]["public"]["fingerprint"]),
        condition("attack", found, lambda c: c["attack"]["name"]),
        condition("budget of the attack", found, lambda c: c["attack"]["budget"]),
        condition("parts of the attack", found, lambda c: _digest(c["attack"].get("parts", {}))),
        condition("prior", found, lambda c: _named(c.get("prior"))),
        condition("judge", (ATTACK,), lambda c: _named(c.get("judge"))),
        condition("recogniser", (RECOGNISED,), lambda c: _named(c.get("recogniser"))),
    )
    return Comparability(conditions, differences([_own(config) for config in configs]))


def differences(configs: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The keys in which nested mappings differ, such as `target.epochs`, each with all values as text."""
    flat = [_flat(config) for config in configs]
    keys = list(dict.fromkeys(key for one in flat for key in one))
    rows = ((key, tuple(_text(one.get(key)) for one in flat)) for key in keys)
    return tuple((key, values) for key, values in rows if len(set(values)) > 1)


def _own(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a page may show of a study's set-up: the resolved set-up without paths, its seed, precision and versions."""
    setup = {section: value for section, value in config.get("config", {}).items() if section != "name"}
    data = dict(setup.get("data", {}))
    for side in ("private", "public"):
        if data.get(side):
            data[side] = "own folder"
    setup["data"] = data
    return {
        **setup,
        "attack.parts": config["attack"].get("parts", {}),
        **{name: config.get(name) for name in ("seed", "precision", "versions")},
    }


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping) or not value:
        return {name: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= _flat(inner, f"{name}.{key}" if name else str(key))
    return found


def _named(part: Mapping[str, Any] | None) -> str:
    """A part of a study by name and fingerprint; "" if there is none."""
    if not part:
        return ""
    return f"{part['name']} ({part['fingerprint'][:8]})" if part.get("fingerprint") else str(part["name"])


def _digest(parts: Any) -> str:
    """A short fingerprint of plain values; what differs in them stands among the set-ups."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
