"""Does pre-training on the public people give better fronts? `python studies/benchmarks/pretraining.py --private DIR
--public DIR`

Targets with and without pre-training, without defence (trained, and stopped early) and with both settings of MIDRE, are
attacked and shown to a recogniser from outside. Printed for each are natural accuracy on val and test images and the
share that the recogniser recognises, as means over seeds with 95 % intervals over people.
"""

from __future__ import annotations

import copy
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from mi_tune.attacks import open_oracle
from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.judging import class_interval
from mi_tune.judging.intervals import per_class_mean
from mi_tune.library.setups import build_setup
from mi_tune.nets.training import predict
from mi_tune.runtime.device import pick_device, use_one_thread
from mi_tune.runtime.errors import InputError
from mi_tune.setup import Setup
from mi_tune.trial.assets import load_data, prepare_attacker
from mi_tune.trial.judges import prepare_recogniser
from mi_tune.trial.stopped_early import stopping_epochs
from mi_tune.trial.targets import target_training

Measured = dict[str, tuple[np.ndarray, np.ndarray]]
"""Natural accuracy and recognised share of each class, by the name of what was attacked."""


def measure(setup: Setup, law: str, seed: int) -> Measured:
    """Train one target and attack it; without defence, also where its training would stop early."""
    use_one_thread()
    device = pick_device()
    data = load_data(setup, 0)
    gallery, attacker = prepare_recogniser(setup, data, device), prepare_attacker(setup, data, 0, device)
    if gallery is None:
        raise InputError("no recogniser; give one (--recogniser faces)")
    run = target_training(setup, data, REFERENCE_LAWS[law], seed, 0, device)
    people, bank = torch.arange(data.private.identities), data.private
    unseen = np.concatenate([data.split.val, data.split.test])
    stops = stopping_epochs(run.recipe.epochs) if law == "no defence" else ()
    found = {}
    while not run.finished:
        run.train_epoch()
        if run.epoch not in stops and not run.finished:
            continue
        answers = predict(run.model, run.images, device, torch.from_numpy(unseen)).argmax(1).numpy()
        natural = per_class_mean(answers == bank.labels[unseen], bank.labels[unseen], bank.identities)
        oracle = open_oracle(attacker.attack.access, copy.deepcopy(run.model), device, len(people))
        images = attacker.attack.run(oracle, attacker.ground.knowing(run.law), people, seed).images
        name = law if run.finished else f"{law}, epoch {run.epoch}"
        found[name] = natural, gallery.answers(images, people, device).rank1.mean(1)
    return found


@click.command()
@click.option("--private", type=click.Path(path_type=Path), required=True, help="Your images.")
@click.option("--public", type=click.Path(path_type=Path), required=True, help="Images of other people.")
@click.option("--identities", type=int, default=50)
@click.option("--resolution", type=int, default=32)
@click.option("--recogniser", default="faces")
@click.option("--seeds", type=int, default=2)
@click.option("--epochs", type=int, help="Training epochs of a target.  [default: the set-up's]")
@click.option("--workers", type=int, default=2)
def main(
    private: Path,
    public: Path,
    identities: int,
    resolution: int,
    recogniser: str,
    seeds: int,
    epochs: int | None,
    workers: int,
) -> None:
    console = Console()
    jobs = []
    for pretrain in ("none", "public"):
        setup = build_setup(
            private=private,
            public=public,
            identities=identities,
            resolution=resolution,
            recogniser=recogniser,
            epochs=epochs,
            pretrain=pretrain,
        )
        jobs += [(pretrain, setup, law, seed) for law in REFERENCE_LAWS for seed in range(seeds)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [(pretrain, pool.submit(measure, setup, law, seed)) for pretrain, setup, law, seed in jobs]
        rows: dict[tuple[str, str], list[tuple[np.ndarray, np.ndarray]]] = {}
        for pretrain, future in futures:
            for name, measured in future.result().items():
                rows.setdefault((pretrain, name), []).append(measured)
                console.print(pretrain, name, *(f"{m.mean():.3f}" for m in measured), highlight=False)
    table = Table(title=f"{identities} people, {resolution} px, {seeds} seeds, recogniser {recogniser}")
    for title in ("pre-training", "law", "natural accuracy", "recognised"):
        table.add_column(title)
    for (pretrain, name), found in rows.items():
        cells = [class_interval(np.mean(side, axis=0)) for side in zip(*found, strict=True)]
        table.add_row(pretrain, name, *(f"{e.value:.3f} [{e.low:.2f}, {e.high:.2f}]" for e in cells))
    console.print(table)


if __name__ == "__main__":
    main()
