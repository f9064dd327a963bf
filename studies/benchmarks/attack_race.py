"""The race of the engine against the published attack loops on the same people: attack accuracy over time."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from rich.table import Table
from torch import Tensor

from mi_tune.attacks import Attack, Ground, WhiteBox
from mi_tune.judging import class_interval, judge_images
from mi_tune.judging.intervals import Estimate, class_difference
from mi_tune.priors import Prior, render_samples
from mi_tune.priors.base import to_uint8
from mi_tune.runtime.seeds import derive_seed
from studies.benchmarks import published_loops
from studies.benchmarks.attack_scene import Scene

CPU = torch.device("cpu")


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
