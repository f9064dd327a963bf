"""A user's own judge: a classifier of the private people that was trained elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from mi_tune.data import Bank, Split
from mi_tune.judging.intervals import class_interval, per_class_mean
from mi_tune.judging.judge import Judge
from mi_tune.nets import create_classifier, own_code
from mi_tune.nets.checkpoints import load_classifier
from mi_tune.nets.own import NetworkSource
from mi_tune.nets.training import predict
from mi_tune.runtime.cache import content_key, tensor_key
from mi_tune.runtime.errors import InputError


def check_own_judge(factory: str, weights: Path | None) -> None:
    """Raise InputError if a file or package of the judge is missing. Runs none of the user's code."""
    NetworkSource(factory).check()
    if weights is not None and not weights.is_file():
        raise InputError(f"{weights}: no such file; give the judge's weights (--judge-weights)")


def own_judge(factory: str, weights: Path | None, bank: Bank, split: Split, device: torch.device) -> Judge:
    """Load a user's own judge and measure its accuracy on the private images that no target sees.

    Nobody but the user knows which images trained it, so it counts as a judge that learned from all of them.

    Args:
        factory: makes the network, see `mi_tune.nets.own`; its classes are the people of `bank` in their order.
        weights: a file of its weights; None if the factory sets them.

    Raises:
        InputError: see `own_network` and `load_classifier`; also if it cannot tell the real people apart: its accuracy
            must be twice that of guessing, and 20 % at least.
    """
    shape = (bank.identities, bank.channels, bank.resolution)
    model = create_classifier(factory, *shape, 0) if weights is None else load_classifier(weights, factory, *shape)
    model.to(device).eval().requires_grad_(False)
    unseen = np.concatenate([split.val, split.test])
    logits = predict(model, bank.tensors()[0], device, torch.from_numpy(unseen))
    labels = bank.labels[unseen]
    per_class = per_class_mean(logits.argmax(1).numpy() == labels, labels, bank.identities)
    found, name = class_interval(per_class), factory.rpartition(":")[2]
    if found.value < max(2 / bank.identities, 0.2):
        raise InputError(
            f"the judge '{name}' recognises only {found.value:.0%} of the real images that no target sees (guessing: "
            f"{1 / bank.identities:.0%}), so it cannot judge reconstructions; check its weights (--judge-weights) and "
            "that its classes are the people in sorted order"
        )
    state = {key: tensor_key(value) for key, value in model.state_dict().items()}
    key = content_key(
        *(bank.fingerprint(), split.val.tolist(), split.test.tolist(), state),
        modules=(sys.modules[__name__], *own_code(factory)),
    )
    return Judge(f"own {name}", model, found, key, per_class, learned="all")
