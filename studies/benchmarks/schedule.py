"""Is the default schedule long enough? `python studies/benchmarks/schedule.py`

Trains the reference points and heavy erasing laws for half, once and twice the epochs of a setup, and prints
natural accuracy (mean over seeds, 95 % interval over people) for each. A law whose accuracy still rises from once to
twice pays for slow learning, and that must not be booked as the price of privacy.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.multiprocessing import get_context

from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw
from mi_tune.erasing.wording import describe
from mi_tune.judging import class_interval
from mi_tune.library.setup_files import setup_file
from mi_tune.runtime.device import pick_device, use_one_thread
from mi_tune.setup import make_setup, read_setup
from mi_tune.trial.assets import load_data
from mi_tune.trial.evaluation import LawEvaluation

LAWS = {
    **REFERENCE_LAWS,
    "heavy": ErasingLaw(1.0, area=(0.5, 0.9), fill="mean"),
    "heavy, wide ratios": ErasingLaw(1.0, area=(0.6, 0.85), aspect=(1 / 2.6, 2.6), fill="mean"),
    "heavy, noise": ErasingLaw(1.0, area=(0.4, 0.9), aspect=(0.5, 2.0), fill="noise"),
}


@click.command()
@click.option("--setup", "file", default=setup_file("orl"), type=click.Path(path_type=Path))
@click.option("--seeds", default=2, show_default=True, help="Targets a law and schedule.")
@click.option("--workers", default=2, show_default=True, help="Processes, one CPU thread each.")
def schedule(file: Path, seeds: int, workers: int) -> None:
    """Print natural accuracy over the length of the schedule."""
    setup = make_setup(read_setup(file), str(file), {"target.replicates": seeds})
    epochs = [setup.target.epochs // 2, setup.target.epochs, setup.target.epochs * 2]
    jobs = [(setup.model_dump(mode="json"), name, n) for n in reversed(epochs) for name in LAWS]
    with get_context("spawn").Pool(workers) as pool:
        found = dict(zip([(name, n) for _, name, n in jobs], pool.starmap(_accuracy, jobs, chunksize=1), strict=True))
    table = Table("law", *(f"{n} epochs" for n in epochs), box=None)
    for name, law in LAWS.items():
        estimates = [class_interval(found[name, n]) for n in epochs]
        text = name if name in REFERENCE_LAWS else f"{name}: {describe(law)}"
        table.add_row(text, *(f"{e.value:.3f} [{e.low:.2f}, {e.high:.2f}]" for e in estimates))
    Console().print(table)


def _accuracy(values: dict, name: str, epochs: int) -> np.ndarray:
    """Natural accuracy of each class, mean over seeds."""
    use_one_thread()
    setup = make_setup(values, "setup", {"target.epochs": epochs, "target.report_every": epochs})
    evaluation = LawEvaluation(setup, load_data(setup, 0), LAWS[name], 0, pick_device())
    while not evaluation.trained:
        evaluation.train_block()
    return np.mean(evaluation.per_class_natural, axis=0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    schedule()
