"""How much more does a larger budget find? `python studies/budget.py`

Trains the reference points of a setup and attacks the same targets with the reduced and with the full budget of its
attack. Prints attack accuracy with 95 % intervals over people, and the images each budget sends through a target.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch
from rich.console import Console
from rich.table import Table
from torch.multiprocessing import get_context

from mi_tune.assets import load_data, prepare_attacker, prepare_judge
from mi_tune.attacks.presets import BUDGETS
from mi_tune.device import pick_device, use_one_thread
from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.evaluation import LawEvaluation
from mi_tune.setup import make_setup, read_setup


@click.command()
@click.option("--setup", "file", default=Path(__file__).parent / "setups/orl.yaml", type=click.Path(path_type=Path))
@click.option("--workers", default=2, show_default=True, help="Processes, one CPU thread each.")
def budget(file: Path, workers: int) -> None:
    """Print attack accuracy over the attack's budget."""
    values = make_setup(read_setup(file), str(file)).model_dump(mode="json")
    jobs = [(values, name) for name in REFERENCE_LAWS]
    with get_context("spawn").Pool(workers) as pool:
        rows = pool.starmap(_attacked, jobs, chunksize=1)
    table = Table("law", "natural", *(f"{b} budget" for b in BUDGETS), "images through each target", box=None)
    for (_, name), (natural, records) in zip(jobs, rows, strict=True):
        cells = [
            f"{r['attack_accuracy']:.3f} [{r['attack_accuracy_low']:.2f}, {r['attack_accuracy_high']:.2f}]"
            for r in records
        ]
        passes = [(r["forward_passes"] + r["backward_passes"]) / values["target"]["replicates"] for r in records]
        table.add_row(name, f"{natural:.3f}", *cells, " / ".join(f"{p:,.0f}" for p in passes))
    Console().print(table)


def _attacked(values: dict, name: str) -> tuple[float, list[dict]]:
    """Natural accuracy, and the columns of the attack at each budget."""
    use_one_thread()
    device, records = pick_device(), []
    setup = make_setup(values, "setup")
    data = load_data(setup, 0)
    judge = prepare_judge(setup, data, 0, device)
    evaluation = LawEvaluation(setup, data, REFERENCE_LAWS[name], 0, device)
    while not evaluation.trained:
        evaluation.train_block()
    for level in BUDGETS:
        attacker = prepare_attacker(make_setup(values, "setup", {"attack.budget": level}), data, 0, device)
        evaluation.attacked = []
        while not evaluation.finished:
            evaluation.attack_next(attacker, judge)
        records.append(evaluation.attack_record())
    return evaluation.natural_accuracy, records


if __name__ == "__main__":
    torch.set_num_threads(1)
    budget()
