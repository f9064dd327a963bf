"""How long does each gradient attack take? `python studies/benchmarks/benchmark_presets.py`

One target of the built-in setup, 30 people with 8 candidates each, 60 steps, one CPU thread: every gradient preset
with the prior that it needs. What is trained once (priors, students) is prepared beforehand and not in the time.
"""

from __future__ import annotations

from dataclasses import replace

import click
import torch
from rich.console import Console
from rich.table import Table

from mi_tune.attacks import PRESETS, Attack, make_attack, open_oracle
from mi_tune.attacks.students import TargetOnly
from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.library.setup_files import setup_file
from mi_tune.runtime.device import use_one_thread
from mi_tune.setup import make_setup, read_setup
from mi_tune.trial.comparison import Bench, trained_target

SETUP = setup_file("orl")


@click.command()
@click.option("--attacks", "names", help="Comma-separated names.  [default: all that follow gradients]")
@click.option("--candidates", default=8, show_default=True)
@click.option("--steps", default=60, show_default=True)
def benchmark(names: str | None, candidates: int, steps: int) -> None:
    """Print seconds and images through models of each preset."""
    use_one_thread()
    bench = Bench(make_setup(read_setup(SETUP), str(SETUP)), 0)
    law = REFERENCE_LAWS["MIDRE(0.1, 0.8)"]
    model, _, _ = trained_target(bench.setup, bench.data, law, 0, 0, bench.device)
    table = Table("attack", "seconds", "of them preparing", "images through the target", "through own models", box=None)
    for name in names.split(",") if names else PRESETS:
        attack = make_attack(name, "reduced")
        if not isinstance(attack, Attack) or not attack.follows_gradients:
            continue
        last = replace(attack.stages[0], steps=steps)
        attack = replace(attack, candidates=candidates, stages=(last, *attack.stages[1:]))
        ground = bench.ground("dcgan" if attack.needs_discriminator else "eigenface").knowing(law)
        trains = attack.maker is not None or not isinstance(attack.models, TargetOnly)
        for _ in range(2 if trains else 1):  # the second time, what it trained is found
            oracle = open_oracle(attack.access, model, bench.device, len(bench.classes))
            result = attack.run(oracle, ground, bench.classes, 1)
        table.add_row(
            name,
            f"{result.seconds:.1f}",
            f"{result.prepare_seconds:.1f}",
            f"{result.forward_passes + result.backward_passes:,}",
            f"{result.surrogate_passes:,}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    torch.set_num_threads(1)
    benchmark()
