"""The attack engine against the attack loops as they were published: `python studies/benchmarks/benchmark_attacks.py`.

Claims to check: a step of the engine takes less time than a step of the published loops on the same images, and the
presets `gmi_fast` and `ppa_fast` reach the attack accuracy that the published loops end with in at most an eighth of
their time.

A VGG16 with batch norm is trained on the built-in faces at 64x64, a judge, and a DCGAN on the public people; all three
are found again in the cache. Then, on the CPU and in one run, with the same threads for both sides:

1. Seconds per step, forward through the target and backward to the images, with what makes the published loops slow
   taken away piece by piece; and the share of the matrix-product rate that the engine reaches.
2. Attack accuracy over time. The same people are attacked by both sides. The published loops run their own number of
   steps, as `published_loops.py` writes them down. The engine's times hold everything that it does after the prior
   was made: rendering samples, folding batch norms, searching starts, steps, selection. Judging is outside all times.

A time in a curve is when an attack could have ended with that accuracy, had it been stopped there; of the published
loops, which attack one part after the other, each part is thought to be stopped at the same step.
"""

from __future__ import annotations

import dataclasses
import gc
import sys
import time
from pathlib import Path

import click
import pandas as pd
import torch
from rich.console import Console

from mi_tune.attacks import Attack, make_attack
from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup
from mi_tune.trial.assets import prepare_ground
from studies.benchmarks.attack_race import compare, engine_run, judge_run, published_gmi, published_ppa, show_race
from studies.benchmarks.attack_scene import natural_accuracy, prepare
from studies.benchmarks.step_times import show_steps, time_steps

CPU = torch.device("cpu")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--threads", type=click.IntRange(min=1), default=2, help="CPU threads, of both sides.")
@click.option("--people", type=click.IntRange(min=2), default=8, help="Attacked people, of 30 that the target knows.")
@click.option("--architecture", default="vgg16_bn", help="Of the target.")
@click.option("--resolution", type=click.IntRange(min=16), default=64, help="Side of the images in pixels.")
@click.option("--epochs", type=click.IntRange(min=1), default=20, help="Of the target's training.")
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), default=1e-4, help="Of that training.")
@click.option("--judge-epochs", type=click.IntRange(min=1), default=40, help="Of the judge's training.")
@click.option("--gan-steps", type=click.IntRange(min=1), default=1000, help="Of the DCGAN's training.")
@click.option("--samples", type=click.IntRange(min=1), default=400, help="Prior samples that are searched for starts.")
@click.option("--gmi-restarts", type=click.IntRange(min=1), default=5, help="Of the published GMI.")
@click.option("--gmi-steps", type=click.IntRange(min=1), default=60, help="Of the published GMI.")
@click.option("--ppa-candidates", type=click.IntRange(min=4), default=12, help="Of the published PPA.")
@click.option("--ppa-steps", type=click.IntRange(min=1), default=40, help="Of the published PPA.")
@click.option("--ppa-views", type=click.IntRange(min=1), default=16, help="By which the published PPA chooses.")
@click.option("--batch", type=click.IntRange(min=1), default=16, help="Images in a step that is timed by itself.")
@click.option("--repeats", type=click.IntRange(min=1), default=7, help="Timed turns of such steps.")
@click.option("--seed", type=int, default=0)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results/benchmark_attacks"), help="For CSV files."
)
def benchmark(
    threads: int,
    people: int,
    architecture: str,
    resolution: int,
    epochs: int,
    learning_rate: float,
    judge_epochs: int,
    gan_steps: int,
    samples: int,
    gmi_restarts: int,
    gmi_steps: int,
    ppa_candidates: int,
    ppa_steps: int,
    ppa_views: int,
    batch: int,
    repeats: int,
    seed: int,
    out: Path,
) -> None:
    """Print both measurements and write steps.csv, attacks.csv and curves.csv."""
    torch.set_num_threads(threads)
    console = Console()
    console.width = max(
        console.width, 130
    )  # the tables keep one line a row, also where no terminal says how wide it is
    values = {
        "data": {"resolution": resolution, "private_identities": 30},
        "target": {"architecture": architecture, "epochs": epochs, "learning_rate": learning_rate, "batch_size": 16},
        "judge": {"epochs": judge_epochs},
        "prior": {"samples": samples, "gan_steps": gan_steps},
    }
    setups = {k: make_setup(values, "options", {"prior.kind": kind}) for k, kind in PRIOR_OF.items()}
    begun = time.perf_counter()
    scene = prepare(setups["ppa"], people, seed)
    grounds = {k: prepare_ground(s, scene.data, seed, CPU) for k, s in setups.items()}
    natural = natural_accuracy(scene)
    if natural < 0.5:
        console.print("the target hardly knows its people, so attack accuracies say little: raise --epochs")
    console.print(
        f"{architecture} at {resolution} px, {threads} threads: natural accuracy {natural:.3f}, "
        f"judge on people's unseen images {scene.judge.held_out.value:.3f}; prepared in "
        f"{time.perf_counter() - begun:.0f} s"
    )
    gc.disable()  # as timeit does: a collection would fall on either side by chance
    out.mkdir(parents=True, exist_ok=True)
    times, flops, rate = time_steps(scene, batch, repeats)
    times.assign(flops=flops, matrix_flops_per_second=rate).to_csv(out / "steps.csv", index_label="repeat")
    console.print(show_steps(times, flops, rate, batch))
    gc.collect()

    tables, all_curves = [], []
    for kind, ground in grounds.items():
        prior, fast = ground.prior.eval().requires_grad_(False), make_attack(f"{kind}_fast", "reduced")
        if kind == "gmi":
            first = published_gmi(scene, prior, gmi_restarts, gmi_steps)
            larger = _at_budget(fast, gmi_restarts, gmi_steps)
        else:
            first = published_ppa(scene, prior, ppa_candidates, fast.keep, ppa_steps, ppa_views)
            larger = _at_budget(fast, ppa_candidates, ppa_steps)
        runs = [
            first,
            engine_run(scene, ground, fast, kind, f"{kind}_fast"),
            engine_run(scene, ground, larger, kind, f"{kind}_fast, same budget"),
        ]
        gc.collect()
        rows, curves, per_person = zip(*(judge_run(scene, prior, run) for run in runs), strict=True)
        curve = pd.DataFrame([row for rows_of_one in curves for row in rows_of_one])
        table = compare(list(rows), curve, list(per_person))
        console.print(show_race(table, people, fast.keep))
        tables.append(table)
        all_curves.append(curve)
        pd.concat(tables).to_csv(out / "attacks.csv", index=False)
        pd.concat(all_curves).to_csv(out / "curves.csv", index=False)
    console.print(f"{time.perf_counter() - begun:.0f} s in all; {out}/steps.csv, attacks.csv, curves.csv")


PRIOR_OF = {"gmi": "dcgan", "ppa": "eigenface"}


def _at_budget(attack: Attack, candidates: int, steps: int) -> Attack:
    """The attack with as many starts and steps as a published loop."""
    (stage,) = attack.stages
    return dataclasses.replace(attack, candidates=candidates, stages=(dataclasses.replace(stage, steps=steps),))


def main() -> int:
    """Run the command; a wrong option is one line and exit status 2."""
    try:
        benchmark.main(standalone_mode=False)
    except (click.ClickException, InputError) as error:
        print(f"error: {error.format_message() if isinstance(error, click.ClickException) else error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, click.Abort):
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
