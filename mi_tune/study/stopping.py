"""MO-ASHA (multi-objective asynchronous successive halving) as a Ray Tune scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from mi_tune.runtime.errors import InputError
from mi_tune.search.halving import Halving
from mi_tune.search.state import State


class ParetoHalving(FIFOScheduler):
    """Stops trials that fall behind at a rung; see `Halving`. Reference points and repeats always run to their end.

    Ray does not save the state of a scheduler. The results at the rungs are in a file of their own, so a resumed study
    keeps them. `stopped` maps a trial's number to the reason, for the searcher: Ray tells it only that a trial ended.

    Args:
        unit: name under which trials report their progress, such as `epoch`.
        objectives: names under which trials report their values, each with `max` or `min`; read from reports whose
            `state` is `running`.
        halving: decides at each rung; its rungs are in `unit`, its modes those of `objectives`.

    Raises:
        InputError: from `on_trial_result`, when a trial does not report the unit or an objective.
    """

    _supports_buffered_results = False

    def __init__(self, unit: str, objectives: Mapping[str, str], halving: Halving) -> None:
        super().__init__()
        self.unit, self.objectives = unit, dict(objectives)
        self.halving = halving
        self.stopped: dict[int, str] = {}

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        # Ray's metric and mode allow one objective only, and Ray would check for that metric in every report
        return metric is None and mode is None

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict) -> str:
        if result.get("state") != State.RUNNING or trial.config.get("reference") or trial.config.get("repeat"):
            return TrialScheduler.CONTINUE
        number, at = trial.config["trial"], float(self._reported(result, self.unit))
        values = lambda: [float(self._reported(result, name)) for name in self.objectives]  # noqa: E731
        if self.halving.report(number, at, values):
            return TrialScheduler.CONTINUE
        reached = ", ".join(f"{name} {value:.3f}" for name, value in zip(self.objectives, values(), strict=True))
        self.stopped[number] = f"stopped at {self.unit} {at:g}: {reached}"
        return TrialScheduler.STOP

    def _reported(self, result: dict, name: str) -> Any:
        if name not in result:
            numbers = sorted(k for k, v in result.items() if isinstance(v, (int, float)) and not isinstance(v, bool))
            raise InputError(f"trials do not report '{name}'; they report {', '.join(numbers)}")
        return result[name]

    def debug_string(self) -> str:
        return f"MO-ASHA: {len(self.stopped)} trials stopped"
