"""The three groups of MIDRE's Figure 2 in one encoder's features: private images, erased views, reconstructions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from mi_tune.erasing import ErasingLaw
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import generator

Encode = Callable[[Tensor], np.ndarray]
"""Maps images (n, channels, height, width), uint8 or float in [0, 1], to features, float (n, features)."""


@dataclass(frozen=True)
class FeatureGroups:
    """Features of the three groups, standardised so that encoders can be compared.

    The origin is the mean of all private images, and their root mean squared distance from it is 1. All features share
    one scale. With one scale per feature, a feature that hardly varies over private images would dominate every
    distance once other images activate it, and the geometry would differ from the one that the classifier uses.

    Args:
        private: features of the private images, (n, features). labels: their classes, int64 (n,).
        erased: features of erased views of the same images, (draws, n, features).
        reconstruction: features of the reconstructions, (classes, kept, features).
        classes: the attacked classes, int64 (classes,).
    """

    private: np.ndarray
    labels: np.ndarray
    erased: np.ndarray
    reconstruction: np.ndarray
    classes: np.ndarray

    def of_class(self, position: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features of the class at `position` of `classes`: private (n, f), erased (draws, n, f), reconstructions."""
        own = self.labels == self.classes[position]
        return self.private[own], self.erased[:, own], self.reconstruction[position]


def feature_groups(
    encode: Encode,
    images: Tensor,
    labels: np.ndarray,
    reconstructions: Tensor,
    classes: np.ndarray,
    law: ErasingLaw,
    seed: int,
    draws: int = 8,
) -> FeatureGroups:
    """Compute the features of private images, of their erased views, and of reconstructions.

    Args:
        encode: the target's penultimate features (`penultimate`), or any other encoder.
        images: the private images that the target was trained on, uint8 or float in [0, 1], (n, channels, height,
            width). labels: their classes, (n,).
        reconstructions: uint8 or float in [0, 1], (classes, kept, channels, height, width). classes: the attacked
            classes, (classes,).
        law: gives the erased regions and the fill. Every view is erased, whatever the law's probability, because the
            claim is about erased images. A `mean` fill must be resolved. For a target without defence, give the law to
            compare it with.
        seed: of the erasing. Use the same for every encoder, so that all get the same views.
        draws: number of erased views per image.

    Raises:
        InputError: the law never erases; there are no draws; a class has no private image; the numbers of labels or
            reconstructions do not fit; or some features are not finite.
    """
    labels, classes = np.asarray(labels), np.asarray(classes)
    if law.probability == 0:
        raise InputError("features: the law never erases, so there are no erased images; give the law to compare with")
    if draws < 1:
        raise InputError(f"features: {draws} erased views per image; give 1 or more")
    if len(labels) != len(images):
        raise InputError(f"features: {len(images)} private images with {len(labels)} labels; give one per image")
    if len(reconstructions) != len(classes):
        raise InputError(
            f"features: reconstructions of {len(reconstructions)} classes, but {len(classes)} classes; give as many"
        )
    if len(absent := np.setdiff1d(classes, labels)):
        raise InputError(f"features: class {absent[0]} has no private image; leave it out of the classes")
    always = replace(law, probability=1.0)
    private = encode(images)
    erased = np.stack([encode(always.erase(images.cpu(), generator(seed, "erased view", k))[0]) for k in range(draws)])
    reconstructed = encode(reconstructions.flatten(0, 1)).reshape(*reconstructions.shape[:2], -1)
    if not all(np.isfinite(part).all() for part in (private, erased, reconstructed)):
        raise InputError("features: some are not finite; did the model's training diverge?")
    origin = private.mean(0, dtype=np.float64)
    unit = np.sqrt(np.square(private - origin).sum(1).mean()) or 1.0
    standardise = lambda part: ((part - origin) / unit).astype(np.float32)  # noqa: E731
    return FeatureGroups(standardise(private), labels, standardise(erased), standardise(reconstructed), classes)
