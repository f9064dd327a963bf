"""Ray Tune's own progress, switched off: in a notebook it would clear what a cell has shown, even at verbosity 0."""

from __future__ import annotations

from typing import Any

from ray.tune import ProgressReporter


class Silence(ProgressReporter):
    """Never reports."""

    def should_report(self, trials: list, done: bool = False) -> bool:
        return False

    def report(self, trials: list, done: bool, *sys_info: str) -> None:
        pass

    def setup(self, *arguments: Any, **info: Any) -> None:
        pass
