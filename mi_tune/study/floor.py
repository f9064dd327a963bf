"""The accuracy floor: the natural accuracy below which a law is infeasible, which may follow from a trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mi_tune.search.state import State


class Floor:
    """The floor of a study, as far as it is known.

    Args:
        least: a floor given as natural accuracy, or None. kept: one given as a share of the natural accuracy without
            defence, or None.
        undefended: returns the attributes of the trial without defence, or None if it was not handed out.
    """

    def __init__(
        self, least: float | None, kept: float | None, undefended: Callable[[], dict[str, Any] | None]
    ) -> None:
        self.least, self.kept, self._undefended = least, kept, undefended

    def value(self) -> float | None:
        """The floor now; None if there is none, or none yet."""
        floors = [self.least]
        undefended = self._undefended()
        if self.kept is not None and undefended and undefended.get("state") == State.COMPLETE:
            floors.append(self.kept * undefended["natural_accuracy"])
        return max((f for f in floors if f is not None), default=None)

    def pending(self, undefended_to_come: bool) -> bool:
        """Whether the floor depends on a trial without defence that has not ended, or is still to be handed out."""
        if self.kept is None:
            return False
        undefended = self._undefended()
        return undefended_to_come or (undefended is not None and undefended.get("state") == State.RUNNING)
