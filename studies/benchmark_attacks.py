"""The attack engine against the attack loops as they were published: `python studies/benchmark_attacks.py`.

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

import copy
import dataclasses
import gc
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pandas as pd
import published_loops
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mi_tune import augment, nets, training
from mi_tune.assets import StudyData, load_data, prepare_ground, prepare_judge, target_recipe
from mi_tune.attacks import Attack, Ground, WhiteBox, make_attack
from mi_tune.attacks.oracle import folded
from mi_tune.cache import cached, content_key
from mi_tune.device import precision
from mi_tune.errors import InputError
from mi_tune.judging import Judge, class_interval, judge_images
from mi_tune.judging.intervals import Estimate, class_difference
from mi_tune.nets import create_classifier
from mi_tune.priors import Prior, render_samples
from mi_tune.priors.base import to_uint8
from mi_tune.seeds import derive_seed
from mi_tune.setup import Setup, make_setup
from mi_tune.training import Training, predict

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Scene:
    """What both sides share. `target` is only ever copied: an oracle freezes and reorders the one it is given."""

    setup: Setup
    data: StudyData
    judge: Judge
    target: nn.Module
    people: Tensor
    seed: int

    def whole_target(self) -> nn.Module:
        """The target as a published loop has it: evaluation mode, contiguous, with gradients for its parameters."""
        model = copy.deepcopy(self.target).to(memory_format=torch.contiguous_format)
        return model.eval().requires_grad_(True)


@dataclass(frozen=True)
class Run:
    """One attack by one side.

    images: uint8 (people, kept, channels, height, width). curve: (seconds, latents (people, candidates, dim)) of the
    steps at which it might have been stopped, the seconds with the selection that would have followed.
    """

    attack: str
    way: str
    starts: int
    steps: int
    seconds: float
    images: Tensor
    curve: list[tuple[float, Tensor]]


# ------------------------------------------------------------------------------------------------- seconds per step


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


# --------------------------------------------------------------------------------------------- accuracy over time


def published_gmi(scene: Scene, prior: Prior, restarts: int, steps: int) -> Run:
    found = published_loops.gmi(
        scene.whole_target(), prior, scene.people, restarts, steps, _stops(steps), derive_seed(scene.seed, "published")
    )
    return _published_run("gmi", prior, found, restarts, steps, lambda parts: torch.stack(parts, 1))


def published_ppa(scene: Scene, prior: Prior, candidates: int, keep: int, steps: int, views: int) -> Run:
    found = published_loops.ppa(
        scene.whole_target(),
        prior,
        scene.people,
        candidates,
        keep,
        steps,
        scene.setup.prior.samples,
        views,
        _stops(steps),
        derive_seed(scene.seed, "published"),
    )
    return _published_run("ppa", prior, found, candidates, steps, torch.stack)


def _published_run(
    attack: str,
    prior: Prior,
    found: published_loops.Published,
    starts: int,
    steps: int,
    joined: Callable[[list[Tensor]], Tensor],
) -> Run:
    selecting = found.seconds - found.optimise_seconds
    trace = found.trace
    curve = [(selecting + trace.seconds[k], joined(trace.latents[k])) for k in sorted(trace.seconds)]
    return Run(attack, "published", starts, steps, found.seconds, _render(prior, found.latents), curve)


def engine_run(scene: Scene, ground: Ground, attack: Attack, kind: str, way: str) -> Run:
    """The engine's attack, timed from the target and the prior to the chosen images."""
    model, stops, notes = scene.whole_target(), _stops(attack.steps), []

    def note(step: int, latents: Tensor) -> None:
        if step in stops:
            notes.append((time.perf_counter() - begun, latents.clone()))
        ended[0] = time.perf_counter() - begun

    ended, begun = [0.0], time.perf_counter()
    samples = render_samples(ground.prior, len(ground.samples.latents), scene.seed, CPU)
    oracle = WhiteBox(model, CPU, len(scene.data.private.names))
    result = attack.run_scored(
        oracle, dataclasses.replace(ground, samples=samples), scene.people, derive_seed(scene.seed, "engine"), note
    )
    seconds = time.perf_counter() - begun
    after = seconds - ended[0]
    shape = (len(scene.people), attack.candidates, -1)
    curve = [(at + after, latents.view(shape)) for at, latents in notes]
    return Run(kind, way, attack.candidates, attack.steps, seconds, result.images, curve)


def _stops(steps: int) -> frozenset[int]:
    """A dozen or so steps at which to look: the first ones, then each about 1.4 times the last."""
    return frozenset({steps} | {k for k in np.unique(np.geomspace(1, 10_000, 28).round().astype(int)) if k < steps})


@torch.no_grad()
def _render(prior: Prior, latents: Tensor) -> Tensor:
    flat = torch.cat([to_uint8(prior.decode(part)) for part in latents.flatten(0, 1).split(256)])
    return flat.view(*latents.shape[:2], *flat.shape[1:])


def judge_run(scene: Scene, prior: Prior, run: Run) -> tuple[dict, list[dict], np.ndarray]:
    """The run's row, its curve's rows, and its accuracy per person. Nothing here is timed.

    At a stop, as many images are judged as the run returns, those that the target is surest of.
    """
    oracle, people, keep = WhiteBox(scene.whole_target(), CPU), scene.people, run.images.shape[1]
    accuracy = judge_images(scene.judge, run.images, people, CPU).accuracy
    own = oracle.labels(run.images.flatten(0, 1)).view(len(people), keep) == people[:, None]
    row = {
        "attack": run.attack,
        "way": run.way,
        "starts": run.starts,
        "steps": run.steps,
        "seconds": run.seconds,
        **_columns("attack_accuracy", class_interval(accuracy)),
        "target_accuracy": float(own.float().mean()),
    }
    curve = []
    for seconds, latents in run.curve:
        images = _render(prior, latents)
        sure = oracle.confidence(images.flatten(0, 1)).view(*images.shape[:2], -1)
        sure = sure.gather(2, people[:, None, None].expand(-1, images.shape[1], 1))[..., 0]
        best = sure.topk(keep, dim=1).indices
        kept = images[torch.arange(len(people))[:, None], best]
        estimate = class_interval(judge_images(scene.judge, kept, people, CPU).accuracy)
        hit = (oracle.labels(kept.flatten(0, 1)).view(len(people), keep) == people[:, None]).float().mean()
        row_here = {"attack": run.attack, "way": run.way, "seconds": seconds}
        curve.append(row_here | _columns("attack_accuracy", estimate) | {"target_accuracy": float(hit)})
    return row, curve, accuracy


def _columns(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def compare(rows: list[dict], curves: pd.DataFrame, per_person: list[np.ndarray]) -> pd.DataFrame:
    """Adds to the rows of one attack, the published one first: the paired difference, and when its accuracy is reached.

    `reached_seconds` is the first point of a curve, or the end, with at least the published loop's final accuracy;
    NaN if there is none.
    """
    final, total = rows[0]["attack_accuracy"], rows[0]["seconds"]
    for row, accuracy in zip(rows, per_person, strict=True):
        curve = curves[curves.way == row["way"]]
        there = [*curve[curve.attack_accuracy >= final].seconds]
        there += [row["seconds"]] if row["attack_accuracy"] >= final else []
        row |= _columns("difference", class_difference(accuracy, per_person[0]))
        row |= {"times_faster": total / row["seconds"], "reached_seconds": min(there, default=float("nan"))}
        row["reached_times_sooner"] = total / row["reached_seconds"]
    return pd.DataFrame(rows)


def show_race(table: pd.DataFrame, people: int, kept: int) -> Table:
    shown = Table(
        title=f"{table.attack[0]}, {people} people, {kept} kept of each",
        caption="95 % intervals over people; difference to the published loop, paired by person; "
        "reached: the published loop's final attack accuracy, and how many times sooner than at its end",
    )
    columns = ("", "starts x steps", "seconds", "faster", "attack accuracy", "on target", "difference", "reached after")
    for column in columns:
        shown.add_column(column, justify="right" if column else "left")
    for row in table.itertuples():
        reached = "never" if np.isnan(row.reached_seconds) else f"{row.reached_seconds:.1f} s"
        shown.add_row(
            row.way,
            f"{row.starts} x {row.steps}",
            f"{row.seconds:.1f}",
            f"{row.times_faster:.1f}x",
            f"{row.attack_accuracy:.3f} [{row.attack_accuracy_low:.2f}, {row.attack_accuracy_high:.2f}]",
            f"{row.target_accuracy:.3f}",
            f"{row.difference:+.3f} [{row.difference_low:+.2f}, {row.difference_high:+.2f}]",
            f"{reached} ({row.reached_times_sooner:.1f}x)" if reached != "never" else reached,
        )
    return shown


# ------------------------------------------------------------------------------------------------------------ setup


def prepare(setup: Setup, people: int, seed: int) -> Scene:
    data = load_data(setup, seed)
    bank, recipe = data.private, target_recipe(setup)
    if people > bank.identities:
        raise InputError(f"--people {people}, but only {bank.identities} are private; ask for fewer")
    args = (setup.target.architecture, bank.identities, bank.channels, bank.resolution, seed)

    def make() -> dict:
        model = create_classifier(*args)
        for layer in model.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0  # six images a person are learnt in a fraction of the epochs, and attacks never see it
        run = Training(model, *bank.tensors(), torch.from_numpy(data.split.train), recipe, seed, CPU)
        while not run.finished:
            run.train_epoch()
        return {"state": run.model.state_dict()}

    code = (training, nets, augment)
    made_of = (bank.fingerprint(), data.split.train.tolist(), args, dataclasses.asdict(recipe), "no dropout")
    key = content_key(*made_of, modules=code)
    target = create_classifier(*args)
    target.load_state_dict(cached("benchmark_target", key, make)["state"])
    judge = prepare_judge(setup, data, seed, CPU)
    return Scene(setup, data, judge, target.eval(), torch.arange(people), seed)


def natural_accuracy(scene: Scene) -> float:
    bank, test = scene.data.private, scene.data.split.test
    logits = predict(scene.target, bank.tensors()[0], CPU, torch.from_numpy(test))
    return float((logits.argmax(1).numpy() == bank.labels[test]).mean())


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
    setups = {k: make_setup(values, "options", {"prior.kind": kind}) for k, kind in PRIORS.items()}
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


PRIORS = {"gmi": "dcgan", "ppa": "eigenface"}


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
