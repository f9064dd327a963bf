"""Test MIDRE's claim about its mechanism for one attack on one target.

Where in feature space do the reconstructions lie: near the private images, or near their erased views? Measured in the
target's own features, which the attack has optimised, and in those of an independent network.
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
from mi_tune.judging.panel import ClassifierJudge, GalleryJudge, Panel
from mi_tune.nets import features
from mi_tune.trial.assets import StudyData

TARGET = "target"
"""Name of the attacked model among the encoders."""
COMPARED_LAW = "MIDRE(0.1, 0.8)"
"""Name of the law that erases the views if the target itself was trained without erasing."""
PERMUTATIONS = 199

_MEASURES = ("groups", "kernels", "neighbours", "penultimate", "separability", "table", "two_samples", "view")
FEATURE_CODE = (features, *(importlib.import_module(f"mi_tune.judging.features.{name}") for name in _MEASURES))
"""The code that decides the measures, besides images and networks."""


def independent_encoder(panel: Panel, device: torch.device) -> tuple[str, Encode]:
    """An encoder that took no part in training or attack, with its name: the verifier, else the second judge."""
    for judge in panel.judges:
        if isinstance(judge, GalleryJudge):
            return judge.gallery.name, partial(judge.gallery.embed, device=device)
    second = next(j for j in panel.judges if isinstance(j, ClassifierJudge) and not j.in_search)
    return f"judge {second.name}", partial(penultimate, second.judge.model, device=device)


def target_encoder(model: nn.Module, device: torch.device) -> Encode:
    """The penultimate features of an attacked model."""
    return partial(penultimate, model, device=device)


def compared_law(law: ErasingLaw, mean: tuple[float, ...]) -> ErasingLaw:
    """The law that erases the views: the target's own, or `COMPARED_LAW` if the target's never erases.

    mean: of the training images, in [0, 1] per channel.
    """
    return law if law.probability else REFERENCE_LAWS[COMPARED_LAW].resolved(mean)


def compare_features(
    encoders: Mapping[str, Encode], data: StudyData, reconstructions: Tensor, law: ErasingLaw, seed: int
) -> dict[str, Any]:
    """Compare reconstructions with the target's training images and with erased views of these, in every encoder.

    Args:
        encoders: by name. data: of the study.
        reconstructions: of all private people, uint8 (classes, kept, channels, height, width).
        law: erases the views; a `mean` fill must be resolved. seed: of the erasing and the permutations.

    Returns:
        `rows`: the columns of `FeatureTable.rows` as lists. `view`: the arrays of the first encoder's `FeatureView` as
        tensors. `projection`: how the view's plane was chosen, in words.
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
