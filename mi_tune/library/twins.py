"""The twin of a published set-up: the same parts at a size that runs anywhere within a minute.

The rules, applied to the values of a set-up file:

1. Data: the built-in faces (`orl`), 6 private people, grey, at the least side that the target takes, 16 or 32 px. A
   target that takes no such side resizes its images to its least side (`NAME@SIDE`). A network that is made for one
   size of images takes its form for smaller ones.
2. Training: 2 epochs, batches of 9, from random weights; the optimiser, its rates and the augmentation stay.
3. Prior: of the same kind; a GAN with 10 updates, a StyleGAN2 with few channels and random weights.
4. Attack: the same, at the budget `twin`. Judge: the same architecture, at its least side, 2 epochs.
5. Search: 2 trials, no defence and MIDRE(0.1, 0.4); no law is infeasible.
"""

from __future__ import annotations

import copy
from typing import Any

from mi_tune.nets.published import PUBLISHED, sized
from mi_tune.runtime.errors import InputError

SIDES = (16, 32)
"""Sides of a twin's images in pixels, the least first."""

LEAST = {"inception_v3": 80, "inception_resnet_v1": 80, "ir50": 32}
"""The side to which a judge, or a target that takes no image of a twin's size, resizes its images."""

SMALL = {"vit_b_16": "vit_b_16_small", "maxvit_t": "maxvit_t_small"}
"""Networks that are made for one size of images, and their form for smaller ones."""

STARTS = ("pretrained", "start_from", "freeze", "mean", "std", "pretrain")
"""Keys of weights to start from, which a twin leaves out."""

GENERATORS = {
    "paper256": "mi_tune.nets.stylegan2:twin",
    "paper512": "mi_tune.nets.stylegan2:twin",
    "paper1024": "mi_tune.nets.stylegan2:twin",
}
"""The small generator for each of the published sizes, by the name of its factory."""


def twin_values(values: dict[str, Any], origin: str) -> dict[str, Any]:
    """The values of a set-up's twin.

    Args:
        values: nested sections and values, as in the YAML file. origin: where they are from, for the error message.

    Raises InputError if the set-up is no published one.
    """
    if not isinstance(values.get("paper"), dict):
        raise InputError(f"{origin}: only a published set-up has a twin; choose one of paper/ (mi-tune setups)")
    made = copy.deepcopy(values)
    target, judge = made.setdefault("target", {}), made.setdefault("judge", {})
    target["architecture"], side = _target(str(target["architecture"]))
    made["name"] = f"{values['name']}-twin"
    made["data"] = {
        "source": "orl",
        "private_identities": 6,
        "resolution": side,
        "fit": "stretch",
        "split": [0.3, 0.5, 0.2],
    }
    for key in STARTS:
        target.pop(key, None)
    target |= {"epochs": 2, "batch_size": 9, "report_every": 1}
    made["prior"] = _prior(made.get("prior", {}))
    made.setdefault("attack", {})["budget"] = "twin"
    judge |= {"architecture": _judge(str(judge["architecture"])), "epochs": 2, "verifier_views": 200}
    made["search"] = {"trials": 2, "startup": 1, "repeats": 0, "min_accuracy_kept": 0.0}
    return made


def _target(architecture: str) -> tuple[str, int]:
    """The twin's architecture, and the side of its images."""
    name, _ = sized(architecture)
    name = SMALL.get(name, name)
    if name in PUBLISHED:
        sides = [side for side in SIDES if PUBLISHED[name].takes(side)]
        return (name, sides[0]) if sides else (f"{name}@{LEAST[name]}", SIDES[-1])
    return name, SIDES[-1]


def _judge(architecture: str) -> str:
    name, _ = sized(architecture)
    return f"{name}@{LEAST[name]}" if name in LEAST else name


def _prior(prior: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"kind": prior.get("kind", "eigenface"), "samples": 64}
    if kept["kind"] in ("dcgan", "wgan"):
        kept["gan_steps"] = 10
    if kept["kind"] == "style":
        factory = str(prior["generator"]).rpartition(":")[2]
        kept |= {"generator": GENERATORS[factory], "output_range": [-2.0, 2.0]}
        kept |= {name: prior[name] for name in ("truncation", "crop") if name in prior}
    return kept
