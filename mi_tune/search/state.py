"""The states of a trial."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """How far a trial is. The values are what journals and tables hold."""

    RUNNING = "running"
    COMPLETE = "complete"
    """Trained, attacked and judged."""
    INFEASIBLE = "infeasible"
    """Its natural accuracy is below the floor."""
    STOPPED = "stopped"
    """By early stopping, because it fell behind."""
    FAILED = "failed"
    """It has a reason instead of numbers."""

    @classmethod
    def measured(cls) -> tuple[State, State]:
        """The states of trials whose natural accuracy was measured to the end."""
        return cls.COMPLETE, cls.INFEASIBLE
