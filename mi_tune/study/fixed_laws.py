"""The laws that a study runs before its sampler is asked: reference points, then those of an earlier study."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw
from mi_tune.search.samplers import REFERENCE
from mi_tune.search.space import params_of
from mi_tune.search.warm import WarmStart
from mi_tune.setup import Space
from mi_tune.trial.mixes import published_mixes
from mi_tune.trial.point import UNDEFENDED

WARM_START_LAW = "warm"
"""Trial attribute of laws taken over from an earlier study: the law's index in `WarmStart.first`."""


@dataclass(frozen=True)
class FixedLaw:
    """A law that no sampler proposes.

    Args:
        params: its parameters in the space; None if the space has no such law. attributes: of its trial.
    """

    params: dict[str, Any] | None
    attributes: dict[str, Any]


def reference_points(space: Space) -> dict[str, tuple[ErasingLaw, str]]:
    """The reference points of a study by name: each the erasing law and the mix of other defences."""
    return {name: (law, "") for name, law in REFERENCE_LAWS.items()} | published_mixes(space)


class FixedLaws:
    """The queue of laws that are run first; those that trials of the study have already are left out.

    Args:
        space: of the search. references: whether the reference points are trials of this study.
        warm: with the laws of an earlier study, or None.
        present: attributes of the trials that the study has.
    """

    def __init__(
        self, space: Space, references: bool, warm: WarmStart | None, present: Iterable[dict[str, Any]]
    ) -> None:
        self.space, self.warm = space, warm
        known = list(present)
        run = {attributes.get(REFERENCE) for attributes in known}
        taken = [attributes[WARM_START_LAW] for attributes in known if WARM_START_LAW in attributes]
        self.points = reference_points(space)
        self.references = [name for name in self.points if references and name not in run]
        self.warm_laws = [k for k in range(0 if warm is None else len(warm.first)) if k not in taken]

    @property
    def undefended_to_come(self) -> bool:
        """Whether the law without defence is still in the queue."""
        return UNDEFENDED in self.references

    def next(self) -> FixedLaw | None:
        """Take the next law out of the queue; None if it is empty."""
        if self.references:
            name = self.references.pop(0)
            return FixedLaw(params_of(self.space, *self.points[name]), {REFERENCE: name})
        if self.warm is not None and self.warm_laws:
            k = self.warm_laws.pop(0)
            return FixedLaw(self.warm.first[k], {WARM_START_LAW: k})
        return None
