"""What bfloat16 saves on this CPU: `python studies/benchmarks/benchmark_precision.py`

The default target, one thread, both precisions turn by turn in one run: seconds of a training epoch of the built-in
study, and of a step of its attack (240 candidates, forward and to the images).
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import click
import torch
from rich.console import Console
from rich.table import Table

from mi_tune.attacks import WhiteBox
from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.library.setup_files import setup_file
from mi_tune.runtime.device import comfortable_batch, use_one_thread
from mi_tune.setup import make_setup, read_setup
from mi_tune.trial.assets import load_data
from mi_tune.trial.targets import target_training

SETUP = setup_file("orl")
CPU = torch.device("cpu")


@click.command()
@click.option("--repeats", default=15, show_default=True, help="Timed turns of each.")
def benchmark(repeats: int) -> None:
    """Print medians in both precisions and their ratio."""
    use_one_thread()
    setup = make_setup(read_setup(SETUP), str(SETUP))
    data = load_data(setup, 0)
    training = target_training(setup, data, REFERENCE_LAWS["MIDRE(0.1, 0.8)"], 0, 0, CPU)
    oracle = WhiteBox(training.model, CPU, data.private.identities)
    images = torch.rand(240, *data.private.images.shape[1:])

    def epoch() -> None:
        training.model.requires_grad_(True)
        training.epoch = 0  # the same work every time
        training.train_epoch()

    def step() -> None:
        for part in images.split(comfortable_batch(CPU)):
            part.requires_grad_(True)
            torch.autograd.grad(oracle.logits(part).sum(), part)

    table = Table("work", "float32 [ms]", "bfloat16 [ms]", "ratio [quartiles]", box=None)
    for name, work in (("training epoch", epoch), ("attack step", step)):
        seconds = _by_turns(work, repeats)
        ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        medians = [f"{1000 * statistics.median(s):.1f}" for s in seconds.values()]
        table.add_row(name, *medians, f"{middle:.2f} [{low:.2f}, {high:.2f}]")
    Console(width=100).print(table)


def _by_turns(work: Callable[[], None], repeats: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    for turn in range(repeats + 1):
        for kind, found in seconds.items():
            os.environ["MI_TUNE_PRECISION"] = kind
            begun = time.perf_counter()
            work()
            if turn:  # the first one warms up
                found.append(time.perf_counter() - begun)
    return seconds


if __name__ == "__main__":
    benchmark()
