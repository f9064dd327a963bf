"""Seconds per step of the engine and of the published loops, with what makes these slow taken away piece by piece."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pandas as pd
import torch
import torch.nn.functional as F
from rich.table import Table
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from mi_tune.attacks import WhiteBox
from mi_tune.attacks.oracle import folded
from mi_tune.runtime.device import precision
from studies.benchmarks.attack_scene import Scene

CPU = torch.device("cpu")


def time_steps(scene: Scene, batch: int, repeats: int) -> tuple[pd.DataFrame, float, float]:
    """Seconds per step of each variant (columns) in each repeat (rows), FLOPs of a step, and FLOP/s of torch.mm.

    A step takes one batch of images forward through the target and the gradient of its loss back to them.
    """
    bank, plain = scene.data.private, scene.whole_target()
    images = bank.tensors()[0][:batch].float() / 255
    labels = bank.tensors()[1][:batch]
    frozen = scene.whole_target().requires_grad_(False)
    last = scene.whole_target().requires_grad_(False).to(memory_format=torch.channels_last)
    oracle = WhiteBox(scene.whole_target(), CPU)

    def step(model: Callable[[Tensor], Tensor], layout: torch.memory_format) -> Callable[[], None]:
        def run() -> None:
            # loss.backward, as published: it fills in whatever asks for a gradient
            x = images.detach().contiguous(memory_format=layout).requires_grad_()
            F.cross_entropy(model(x), labels, reduction="sum").backward()

        return run

    variants = {
        "as published": step(plain, torch.contiguous_format),
        "frozen": step(frozen, torch.contiguous_format),
        "frozen, channels last": step(last, torch.channels_last),
        "and batch norm folded": step(folded(last), torch.channels_last),
        f"engine ({str(precision(CPU)).removeprefix('torch.')})": step(oracle.logits, torch.channels_last),
    }
    rows = []
    for repeat in range(repeats + 1):
        row = {name: _seconds(run) for name, run in variants.items()}
        if repeat:  # the first turn warms up
            rows.append(row)
    with FlopCounterMode(display=False) as counter:
        variants["and batch norm folded"]()
    return pd.DataFrame(rows), counter.get_total_flops(), matrix_rate()


def matrix_rate() -> float:
    """FLOP/s of single-precision torch.mm: the best of three sizes, each the median of five."""
    rates = []
    for size in (512, 1024, 2048):
        a, b = torch.rand(2, size, size)
        torch.mm(a, b)
        rates.append(2 * size**3 / statistics.median(_seconds(lambda a=a, b=b: torch.mm(a, b)) for _ in range(5)))
    return max(rates)


def _seconds(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def show_steps(times: pd.DataFrame, flops: float, rate: float, batch: int) -> Table:
    table = Table(
        title=f"One step of {batch} images: {flops / 1e9:.1f} GFLOP; torch.mm reaches {rate / 1e9:.0f} GFLOP/s"
    )
    for column in ("step", "seconds", "times faster than published", "share of torch.mm"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for name in times:
        ratio = times["as published"] / times[name]
        table.add_row(
            name,
            f"{times[name].median():.3f} [{times[name].min():.3f}-{times[name].max():.3f}]",
            f"{ratio.median():.2f} [{ratio.min():.2f}-{ratio.max():.2f}]",
            # weight gradients are work too, but none that an attack needs
            f"{flops / times[name].median() / rate:.0%}",
        )
    return table
