"""Pre-training on the public people: targets that begin by telling other people apart.

TL-DMI (Ho et al., CVPR 2024) starts targets from networks of public data; without a network trained elsewhere, the
public people of the study are the honest stand-in. Its first layers are frozen afterwards where the set-up says so
(`target.freeze`).
"""

from __future__ import annotations

import dataclasses
import sys

import torch
from torch import Tensor, nn

from mi_tune import nets
from mi_tune.data import augment
from mi_tune.nets import (
    conv_attention,
    head_of,
    own_code,
    residual,
    schedules,
    small_cnn,
    strided_cnn,
    training,
)
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.cache import cached, content_key
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.setup import Setup
from mi_tune.trial.assets import StudyData, create_target, start_key, target_recipe

_CODE = (training, schedules, augment, nets, small_cnn, residual, strided_cnn, conv_attention)
"""All code that decides the weights of the public network."""


def check_pretraining(setup: Setup, data: StudyData, needed: str = "") -> None:
    """Raise InputError if a pre-training is asked for that the public images cannot give. `needed`: by this defence."""
    asked = f"defence {needed}" if needed else "--pretrain public"
    if (needed or setup.target.pretrain == "public") and data.public.identities < 2:
        raise InputError(f"{asked} needs at least two public people, each in a sub-folder of its own")


def pretraining_recipe(setup: Setup) -> Recipe:
    """The targets' recipe, with `pretrain_epochs` epochs, by this project's own loop."""
    return dataclasses.replace(target_recipe(setup), epochs=setup.target.pretrain_epochs, own="")


def pretraining_key(setup: Setup, data: StudyData, seed: int, needed: bool = False) -> str | None:
    """Hash of everything that the start of a target depends on, beside its own seed; None if it starts from random
    weights.

    needed: whether a defence needs the pre-training, whatever the set-up says.
    """
    if setup.target.pretrain == "none" and not needed:
        return start_key(setup)
    architecture = setup.target.architecture
    return content_key(
        *(data.public.fingerprint(), architecture, dataclasses.asdict(pretraining_recipe(setup)), seed),
        start_key(setup),
        modules=(sys.modules[__name__], *_CODE, *own_code(architecture)),
    )


def start_from_public(
    model: nn.Module, setup: Setup, data: StudyData, seed: int, device: torch.device, needed: bool = False
) -> None:
    """Give a new target the weights of a network that was trained to tell the public people apart, but for its head.

    All targets of a seed start from the same network, which is trained once and cached.

    Args:
        model: as `create_target` makes it. seed: the study's, or a fresh one of a confirmation.
        needed: whether a defence needs it, whatever the set-up says.

    Raises:
        DivergedError: the pre-training diverged. InputError: the network has no linear head.
    """
    key = pretraining_key(setup, data, seed, needed)
    if (setup.target.pretrain == "none" and not needed) or key is None:
        return

    def make() -> dict[str, Tensor]:
        bank = data.public
        network = create_target(setup, bank, derive_seed(seed, "pretraining", "weights"), frozen=False)
        run = Training(
            network,
            *bank.tensors(),
            torch.arange(len(bank)),
            pretraining_recipe(setup),
            derive_seed(seed, "pretraining"),
            device,
        )
        while not run.finished:
            run.train_epoch()
        return {name: value.cpu() for name, value in run.model.state_dict().items()}

    head = head_of(model)
    own = {f"{name}.{part}" for name, module in model.named_modules() if module is head for part in ("weight", "bias")}
    state = {name: value for name, value in cached("pretrained", key, make).items() if name not in own}
    model.load_state_dict(state, strict=False)
