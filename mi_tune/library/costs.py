"""What a published set-up costs: passes and floating-point operations counted, hours from this machine's speed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from mi_tune.attacks import make_attack
from mi_tune.nets import ARCHITECTURES, library_network, stylegan2
from mi_tune.nets.gan import Generator
from mi_tune.nets.published import PUBLISHED, sized
from mi_tune.paper import Gigaflops
from mi_tune.priors import wgan_recipe
from mi_tune.runtime.errors import InputError
from mi_tune.setup import Setup

META = torch.device("meta")
_IMAGES = 2
"""Images of which operations are counted; batch norm needs more than one."""


def network_without_numbers(architecture: str, classes: int, resolution: int) -> tuple[nn.Module, int]:
    """A classifier of RGB images on the device `meta`, which has shapes but no numbers, and the side of its images."""
    name, side = sized(architecture)
    side = side or resolution
    with META:
        if name in PUBLISHED:
            return PUBLISHED[name].make(classes, 3, side), side
        if name in ARCHITECTURES:
            return ARCHITECTURES[name](classes, 3, side), side
        return library_network(name, classes, side, trial=True), side


def _counted(work: Callable[[], object]) -> float:
    """Gigaflops of one image, where `work` handles `_IMAGES`."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / _IMAGES / 1e9


@cache
def _classifier_cost(architecture: str, classes: int, resolution: int) -> tuple[float, float, float, float, float]:
    """Training, forward, forward and backward to the image, in gigaflops; MiB kept for an image; MiB of weights."""
    model, side = network_without_numbers(architecture, classes, resolution)
    weights = sum(p.numel() for p in model.parameters()) * 4 / 2**20
    images = torch.empty(_IMAGES, 3, side, side, device=META)
    kept: dict[int, int] = {}

    def remember(value: Tensor) -> Tensor:
        if not isinstance(value, nn.Parameter):
            kept[id(value.untyped_storage())] = value.untyped_storage().nbytes()
            held.append(value)
        return value

    held: list[Tensor] = []  # so that no storage is freed and its id taken again
    with saved_tensors_hooks(remember, lambda value: value):
        training = _counted(lambda: model.train()(images).sum().backward())
    activations = sum(kept.values()) / _IMAGES / 2**20
    model.eval().requires_grad_(False)
    leaf = images.clone().requires_grad_(True)
    forward = _counted(lambda: model(images))
    backward = _counted(lambda: model(leaf).sum().backward())
    return training, forward, backward, activations, weights


@cache
def _generator_cost(kind: str, factory: str, resolution: int) -> float:
    """Gigaflops of drawing an image and of the gradient of its latent; 0 for a linear prior."""
    with META:
        if kind == "style":
            made = getattr(stylegan2, factory.rpartition(":")[2])()
            latents = torch.empty(_IMAGES, made.num_ws, made.w_dim)
            drawn: Callable[[Tensor], Tensor] = made.synthesis
        elif kind in ("dcgan", "wgan"):
            recipe = wgan_recipe()
            made = Generator(recipe.latent_dim, 3, resolution, recipe.width)
            latents, drawn = torch.empty(_IMAGES, recipe.latent_dim), made
        else:
            return 0.0
    made.requires_grad_(False)
    leaf = latents.requires_grad_(True)
    return _counted(lambda: drawn(leaf).sum().backward())


def count_gigaflops(values: dict[str, Any]) -> Gigaflops:
    """Count the operations of a set-up's parts, on torch's `meta` device: nothing is computed."""
    side = values["data"]["resolution"]
    classes = (values["paper"].get("counts") or {}).get("people") or 1000
    training, forward, backward, kept, weights = _classifier_cost(values["target"]["architecture"], classes, side)
    judge = _classifier_cost(values["judge"]["architecture"], classes, side)[0]
    prior = values["prior"]
    drawing = _generator_cost(prior["kind"], str(prior.get("generator", "")), side)
    found = (training, forward, backward + drawing, judge, kept, weights)
    keys = ("training", "forward", "backward", "judge", "activations", "weights")
    return Gigaflops(**{key: round(value, 3) for key, value in zip(keys, found, strict=True)})


@dataclass(frozen=True)
class Cost:
    """What one erasing law of a set-up costs, and its judge.

    Args:
        forward, backward: passes of the attack through the target, of which `backward` are to the latent as well.
        train: images that the target is trained on, over all epochs; None if their number is not known.
        teraflops: of training and attack; of the attack alone if `train` is None. judge_teraflops: once for all laws.
        gigabytes: memory that training the target needs, in GiB.
    """

    forward: int
    backward: int
    train: int | None
    teraflops: float
    judge_teraflops: float
    gigabytes: float


def cost_of(setup: Setup) -> Cost | None:
    """The cost of a published set-up; None if its file has no counts. GANs that an attack trains are not included."""
    paper = setup.paper
    if paper is None or paper.gigaflops is None:
        return None
    counts, unit = paper.counts, paper.gigaflops
    attack = make_attack(setup.attack.preset, setup.attack.budget)
    passes = attack.passes(counts.attacked or counts.people or 0, setup.prior.samples, counts.public_images or 0)
    searched = (passes.forward - passes.backward) * unit.forward + passes.backward * unit.backward
    train = None if counts.train_images is None else counts.train_images * setup.target.epochs
    judged = (counts.train_images or 0) * setup.judge.epochs * unit.judge
    # weights, gradients, and the optimiser's state of one or two numbers a weight
    held = unit.weights * (4 if setup.target.optimiser == "adamw" else 3)
    return Cost(
        passes.forward - passes.backward,
        passes.backward,
        train,
        (searched + (train or 0) * unit.training) / 1e3,
        judged / 1e3,
        (held + setup.target.batch_size * unit.activations) / 2**10,
    )


def measured_teraflops(device: torch.device, seconds: float = 0.5) -> float:
    """Teraflops a second that this machine reaches in training a small ResNet-like stack in float32."""
    layers = [nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU()) for _ in range(4)]
    model = nn.Sequential(*layers).to(device)
    images = torch.rand(16 if device.type == "cpu" else 256, 64, 32, 32, device=device)
    with FlopCounterMode(display=False) as counter:
        model(images).sum().backward()
    one, done, begun = counter.get_total_flops(), 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        model(images).sum().backward()
        done += 1
        if device.type == "cuda":
            torch.cuda.synchronize()
    return one * done / (time.perf_counter() - begun) / 1e12


def machine_gigabytes(device: torch.device) -> float:
    """Memory of the machine, or of its GPU, in GiB."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory / 2**30
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def check_memory(setup: Setup, gigabytes: float) -> None:
    """Raise InputError if training a target of a published set-up does not fit into that much memory.

    The message says with which batch it would, if with any.
    """
    cost = cost_of(setup)
    if cost is None or cost.gigabytes <= gigabytes:
        return
    assert setup.paper is not None and setup.paper.gigaflops is not None
    one = setup.paper.gigaflops.activations / 2**10
    batch = setup.target.batch_size
    fits = int((gigabytes - (cost.gigabytes - batch * one)) / one)
    way_out = f"lower target.batch_size to {fits}" if fits >= 2 else "take a machine with more memory"
    raise InputError(
        f"{setup.name}: training {setup.target.architecture} with batches of {batch} needs about "
        f"{cost.gigabytes:.0f} GB, this machine has {gigabytes:.0f}; {way_out}, or run its twin (--twin)"
    )
