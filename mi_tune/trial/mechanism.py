"""The paper's claim about the mechanism, for one attack on one target: where do its reconstructions lie in feature
space, with the private images or with their erased views? In the target's own features, which the attack has optimised,
and in those of a network that has nothing to do with it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw
from mi_tune.judging.features import feature_groups, feature_table, feature_view, penultimate
from mi_tune.judging.features.groups import Encode
from mi_tune.judging.panel import ClassifierJudge, Panel, VerifierJudge
from mi_tune.trial.assets import StudyData

TARGET = "target"
"""The attacked model itself, among encoders."""
COMPARED = "MIDRE(0.1, 0.8)"
"""The law whose erased views are compared with where the target was trained without erasing."""
PERMUTATIONS = 199

CODE = tuple(
    importlib.import_module(f"mi_tune.judging.features.{name}")
    for name in ("groups", "kernels", "neighbours", "penultimate", "separability", "table", "two_samples", "view")
)
"""What decides the measures beside images and networks."""


def independent_encoder(panel: Panel, device: torch.device) -> tuple[str, Encode]:
    """An encoder without part in training or attack, with its name: the verifier, else the second judge."""
    for judge in panel.judges:
        if isinstance(judge, VerifierJudge):
            return "verifier", partial(judge.verifier.embed, device=device)
    second = next(j for j in panel.judges if isinstance(j, ClassifierJudge) and not j.in_search)
    return f"judge {second.name}", partial(penultimate, second.judge.model, device=device)


def target_encoder(model: nn.Module, device: torch.device) -> Encode:
    """The penultimate features of an attacked model."""
    return partial(penultimate, model, device=device)


def compared_law(law: ErasingLaw, mean: tuple[float, ...]) -> ErasingLaw:
    """The law that erases the views: the target's own, or `COMPARED` where that never erases."""
    return law if law.probability else REFERENCE_LAWS[COMPARED].resolved(mean)


def compare_features(
    encoders: Mapping[str, Encode], data: StudyData, reconstructions: Tensor, law: ErasingLaw, seed: int
) -> dict[str, Any]:
    """Compare reconstructions with the target's training images and their erased views, in every encoder.

    Args:
        reconstructions: uint8 (classes, kept, channels, height, width) of all private people.
        law: erases the views.

    Returns:
        `rows`, the columns of `FeatureTable.rows` as lists; `view`, the arrays of the first encoder's `FeatureView` as
        tensors; `projection`, in words.
    """
    train = data.private.take(data.split.train)
    images, people = torch.from_numpy(train.images), np.arange(data.private.identities)
    groups = {
        name: feature_groups(encode, images, train.labels, reconstructions, people, law, seed)
        for name, encode in encoders.items()
    }
    rows = feature_table(groups, seed, PERMUTATIONS).rows
    arrays = feature_view(next(iter(groups.values()))).arrays()
    projection = str(arrays.pop("projection"))
    view = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    return {"rows": rows.to_dict("list"), "view": view, "projection": projection}
