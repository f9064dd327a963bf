"""The study's undefended controls: trained and attacked on workers beside the trials, and kept in one table."""

from __future__ import annotations

import pandas as pd
import ray
from ray.exceptions import RayError
from rich.console import Console

from mi_tune.judging import Gallery, Judge
from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.device import pick_device, use_one_thread
from mi_tune.runtime.errors import DivergedError
from mi_tune.runtime.wording import counted
from mi_tune.setup import Setup
from mi_tune.study.cluster import Resources
from mi_tune.study.folder import StudyFolder
from mi_tune.study.shared_parts import Parts
from mi_tune.study.trainable import shared_failure
from mi_tune.trial.assets import Attacker, StudyData
from mi_tune.trial.undefended import Control, controls_of, measure_control

Measured = tuple[list[pd.DataFrame], list[str]]
"""Tables of controls, and why others have none."""


def start_controls(setup: Setup, seed: int, data: StudyData, parts: Parts, resources: Resources) -> list[ray.ObjectRef]:
    """Begin to train and attack the controls, once the parts are made; one after the other where workers are few."""
    controls = controls_of(setup, data, seed)
    lanes = min(len(controls), max(1, resources.workers // 2))
    # like the parts, they reserve no CPU, so that no trial waits for them, nor they for the last trial
    on_worker = ray.remote(num_cpus=0, num_gpus=resources.gpus_per_trial)(_controls_on_worker)
    made = [parts[name] for name in ("attacker", "judge", "recogniser")]
    return [on_worker.remote(controls[lane::lanes], seed, *made) for lane in range(lanes)]


def _controls_on_worker(
    controls: tuple[Control, ...], seed: int, attacker: Attacker, judge: Judge, recogniser: Gallery | None
) -> Measured:
    use_one_thread()
    device = pick_device()
    tables, failed = [], []
    for control in controls:
        try:
            tables.append(measure_control(control, seed, attacker, judge, recogniser, device))
        except DivergedError as error:
            failed.append(f"{control.kind} ({control.name}): {error}")
    return tables, failed


def keep_controls(study: StudyFolder, running: list[ray.ObjectRef], console: Console) -> None:
    """Wait for the controls and write controls.csv. One that diverged is left out, and said.

    Raises SharedFailureError if they could not be made, so that `--resume` tries again.
    """
    left = len(ray.wait(running, num_returns=len(running), timeout=0)[1])
    if left:
        console.print("waiting for the last undefended controls", highlight=False)
    try:
        lanes: list[Measured] = ray.get(running)
    except RayError as error:
        raise shared_failure("control line", error) from error
    tables = [table for lane in lanes for table in lane[0]]
    failed = [reason for lane in lanes for reason in lane[1]]
    if failed:
        text = f"{counted(len(failed), 'control')} left out: {'; '.join(failed)}"
        console.print(text, highlight=False, markup=False, soft_wrap=True, style="yellow")
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["kind", "control", "epoch"])
    save_atomically(study.controls, lambda p: table.to_csv(p, index=False), owner_only=True)
