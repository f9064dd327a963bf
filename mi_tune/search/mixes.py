"""Conditional parameters: which defences are on together, and which parameters exist only where one is on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution

ERASING = "erasing"
"""The switch of random erasing, in a space that has other defences too."""
LAW_PARAMETERS = (
    *("probability", "area_low", "area_span", "aspect_max"),
    *("location", "fill", "count", "clean_epochs"),
)
ERASING_SHARE = 0.75
"""Share of the points of a space, before any measurement, whose mixes erase."""
EXPECTED_DEFENCES = 1.5
"""How many other defences are on in them, on average, before clashes are solved."""


class SearchSpace(dict[str, BaseDistribution]):
    """The searched parameters by name, and the rules of a space with several defences.

    A switch is a choice between False and True, called by the kind of its defence or `erasing`. The parameters of a
    defence are called `kind.parameter`, and exist only where its switch is True; those of the erasing law only where
    `erasing` is.

    Args:
        switches: names of the switches among the parameters. clashes: pairs of them that are never on together.
        most: largest number of defences beside erasing.
    """

    def __init__(
        self,
        parameters: Mapping[str, BaseDistribution],
        switches: Sequence[str] = (),
        clashes: Sequence[tuple[str, str]] = (),
        most: int = 3,
    ) -> None:
        super().__init__(parameters)
        self.switches, self.clashes, self.most = tuple(switches), tuple(clashes), most

    def switch_of(self, name: str) -> str | None:
        """The switch that a parameter depends on; None if it always exists."""
        switch = ERASING if name in LAW_PARAMETERS else name.partition(".")[0]
        return switch if switch in self.switches and switch != name else None

    def active(self, params: Mapping[str, Any], name: str) -> bool:
        """Whether a parameter exists at this point."""
        switch = self.switch_of(name)
        return switch is None or bool(params.get(switch))


def as_search_space(space: Mapping[str, BaseDistribution]) -> SearchSpace:
    """The space itself, or plain parameters as a space without switches."""
    return space if isinstance(space, SearchSpace) else SearchSpace(space)


class Switchboard:
    """Turns points of the unit cube into mixes that are allowed.

    A switch is on in the upper part of its coordinate. Of two that clash, the one that is further in that part stays
    on; so do the `most` furthest defences. Where nothing is on, erasing is.

    Attributes:
        columns: place of each switch among the parameters, in the order of `names`.
        needed: for every parameter the place of its switch in `names`, or -1, int (parameters,).
    """

    def __init__(self, space: SearchSpace) -> None:
        every = list(space)
        self.names = list(space.switches)
        self.columns = np.array([every.index(name) for name in self.names], dtype=int)
        place = {name: number for number, name in enumerate(self.names)}
        self.needed = np.array([place.get(space.switch_of(name) or "", -1) for name in every], dtype=int)
        defences = [name for name in self.names if name != ERASING]
        share = min(0.5, EXPECTED_DEFENCES / max(1, len(defences)))
        self.share = np.array([ERASING_SHARE if name == ERASING else share for name in self.names])
        self._clashes = [(place[one], place[other]) for one, other in space.clashes if {one, other} <= place.keys()]
        self._erasing = place.get(ERASING)
        self._most = space.most

    def coordinate(self, name: str, on: bool) -> float:
        """The middle of the part of a switch's coordinate in which it is on or off."""
        share = self.share[self.names.index(name)]
        return float(1 - share / 2 if on else (1 - share) / 2)

    def on(self, units: np.ndarray) -> np.ndarray:
        """Which switches are on at points of the unit cube (n, parameters): bool (n, switches)."""
        depth = (units[:, self.columns] - (1 - self.share)) / self.share
        on = depth >= 0
        for one, other in self._clashes:
            both = on[:, one] & on[:, other]
            first = depth[:, one] >= depth[:, other]
            on[both & first, other] = False
            on[both & ~first, one] = False
        defences = np.array([number for number in range(len(self.names)) if number != self._erasing], dtype=int)
        if len(defences) > self._most:
            rank = np.argsort(np.argsort(-np.where(on, depth, -np.inf)[:, defences], axis=1, kind="stable"), axis=1)
            on[:, defences] &= rank < self._most
        if self._erasing is not None:
            on[~on.any(1), self._erasing] = True
        return on

    def active(self, units: np.ndarray) -> np.ndarray:
        """Which parameters exist at points of the unit cube (n, parameters): bool (n, parameters)."""
        on = np.concatenate([self.on(units), np.ones((len(units), 1), dtype=bool)], axis=1)
        return on[:, self.needed]
