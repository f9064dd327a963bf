"""Time and memory of every stage of a published set-up at its full resolution, with few people and steps.

`python studies/benchmarks/full_size.py paper/NAME [--private DIR --public DIR] [--identities N] [--attack PRESET]`

Networks, resolution, generator and judge are the set-up's; people, epochs and the attack's budget are cut (one epoch,
the budget `twin`), and a StyleGAN2 without weights is random. Without folders the built-in faces are enlarged. One
thread. Memory is the process's peak so far, so a stage that needs less than an earlier one shows the earlier's.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.library.setups import base_values, build_setup
from mi_tune.runtime.device import pick_device, use_one_thread
from mi_tune.setup import Setup, make_setup
from mi_tune.trial.assets import load_data, prepare_attacker
from mi_tune.trial.ceiling import measure_ceilings
from mi_tune.trial.evaluation import LawEvaluation
from mi_tune.trial.judges import prepare_judge

Made = TypeVar("Made")


def timed(stage: str, work: Callable[[], Made]) -> Made:
    """Do the work of a stage and print its seconds and the peak memory."""
    begun, spent = time.perf_counter(), time.process_time()
    made = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated() / 2**30
    wall, cpu = time.perf_counter() - begun, time.process_time() - spent
    print(f"{stage:34s} {wall:8.1f} s  {cpu:8.1f} s of the processor  {peak:6.2f} GB", flush=True)
    return made


def cut(name: str, private: Path | None, public: Path | None, identities: int, attack: str | None) -> Setup:
    """The set-up with few people and steps; the rest as published."""
    values, origin = base_values(name, own=False)
    whole = build_setup(name)
    data = {"resolution": whole.data.resolution, "private_identities": identities, "split": [0.6, 0.2, 0.2]}
    if private is None:
        data |= {"source": "orl", "fit": "stretch"}
    else:
        data |= {"source": "folder", "private": str(private), "channels": 3}
        data |= {"public": str(public)} if public is not None else {}
    prior = dict(values["prior"]) | {"samples": 32}
    if prior["kind"] in ("dcgan", "wgan"):
        prior["gan_steps"] = 20
    if prior["kind"] == "style":
        prior["output_range"] = [-12.0, 12.0]
    target = dict(values["target"]) | {"epochs": 1, "report_every": 1, "batch_size": min(16, whole.target.batch_size)}
    judge = dict(values["judge"]) | {"epochs": 1}
    budget = {"preset": attack or whole.attack.preset, "budget": "twin"}
    changed = {"data": data, "prior": prior, "target": target, "judge": judge, "attack": budget}
    return make_setup(values | changed, origin)


def main() -> None:
    """Run every stage in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("setup")
    parser.add_argument("--private", type=Path)
    parser.add_argument("--public", type=Path)
    parser.add_argument("--identities", type=int, default=4)
    parser.add_argument("--attack", help="other attacks on the same target, with commas between them")
    given = parser.parse_args()
    use_one_thread()
    device = pick_device()
    setup = cut(given.setup, given.private, given.public, given.identities, None)
    data = timed("data", lambda: load_data(setup, 0))
    print(f"{len(data.split.train)} training images of {data.private.identities} people, {len(data.public)} public")
    judge = timed(f"judge {setup.judge.architecture}", lambda: prepare_judge(setup, data, 0, device))
    attacker = timed(f"prior {setup.prior.kind}, 32 samples", lambda: prepare_attacker(setup, data, 0, device))
    timed(
        "ceiling, 3 steps",
        lambda: measure_ceilings(attacker.attack, attacker.ground, data, data.split.val[:4], [], device),
    )
    law = REFERENCE_LAWS["MIDRE(0.1, 0.4)"]
    for preset in (given.attack or setup.attack.preset).split(","):
        one = cut(given.setup, given.private, given.public, given.identities, preset)
        evaluation = LawEvaluation(one, data, law, 0, device)
        timed(f"target {one.target.architecture}, 1 epoch", evaluation.train_block)
        with_preset = prepare_attacker(one, data, 0, device)
        count = f"{one.attack.preset}, {with_preset.attack.passes(data.private.identities, 32, len(data.public))}"

        def attack(evaluation: LawEvaluation = evaluation, attacker: object = with_preset) -> None:
            evaluation.attack_next(attacker, judge)  # type: ignore[arg-type]

        timed(f"attack {one.attack.preset}, judged", attack)
        print(count, flush=True)


if __name__ == "__main__":
    main()
