"""Why Ray lost a worker, in a few words."""

from __future__ import annotations

from typing import Any

from ray import tune

OUT_OF_MEMORY = ": Ray killed it because the machine ran out of memory; run fewer at a time (--workers)"


def why_lost(error: str | None) -> str:
    """What to add to "its worker was lost": the reason that Ray's error names, or "" for none that helps."""
    text = (error or "").lower()
    if "low on memory" in text or "outofmemory" in text or "oom" in text.split():
        return OUT_OF_MEMORY
    return ""


class WhyLost(tune.Callback):
    """Notes why workers were lost, by Ray's name of their trial, in the mapping that it is given."""

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons

    def __getstate__(self) -> dict:
        return {}  # Ray pickles callbacks, but this one is never restored

    def on_trial_recover(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        if reason := why_lost(error_of(trial)):
            self.reasons[trial.trial_id] = reason


def error_of(trial: Any) -> str | None:
    """Text of the last error of one of Ray's trials."""
    try:
        return str(trial.get_error())
    except OSError:  # its folder is gone
        return None
