"""The three groups of MIDRE's Figure 2 in the features of one model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from mi_tune.erasing import ErasingLaw
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import generator

Encode = Callable[[Tensor], np.ndarray]
"""Features, float (n, features), of uint8 images or float images in [0, 1], (n, channels, height, width)."""


@dataclass(frozen=True)
class FeatureGroups:
    """Features, in units that compare between models.

    The mean of all private images is the origin and the root mean square of their distances from it is 1. One scale for
    all features, and not one for each: a feature that hardly varies over private images would otherwise decide every
    distance as soon as anything else excites it, and the geometry would not be the one that the classifier sees.

    Args:
        private: (n, features), of the private images. labels: int64 (n,), their classes.
        erased: (draws, n, features), of erased views of the same images.
        reconstruction: (classes, kept, features), of the reconstructions of `classes`, int64 (classes,).
    """

    private: np.ndarray
    labels: np.ndarray
    erased: np.ndarray
    reconstruction: np.ndarray
    classes: np.ndarray

    def of_class(self, position: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Private (n, f), erased (draws, n, f), reconstructions (kept, f) of the class at `position` of `classes`."""
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
    """Features of private images, of their erased views, and of reconstructions.

    Args:
        encode: `penultimate` of the target, or an encoder of any other kind.
        images: uint8 or float in [0, 1], (n, channels, height, width): the private images that the target was trained
            on. labels: (n,), their classes.
        reconstructions: of the same kind, (classes, kept, channels, height, width), of the attacked `classes`.
        law: its rectangles and fill; every view is erased, whatever its probability, for the claim is about erased
            images. Its `mean` fill must be resolved. For a target without defence, the law to compare it with.
        seed: of the erasing; the same for every model, so that all see the same views.
        draws: erased views of each image.

    Raises:
        InputError: a law that never erases, no view, a class without a private image, labels or reconstructions that do
            not fit, or features that are not finite.
    """
    labels, classes = np.asarray(labels), np.asarray(classes)
    if law.probability == 0:
        raise InputError("features: the law never erases, so there are no erased images; give the law to compare with")
    if draws < 1:
        raise InputError(f"features: {draws} erased views of an image; give 1 or more")
    if len(labels) != len(images):
        raise InputError(f"features: {len(images)} private images with {len(labels)} labels; give one each")
    if len(reconstructions) != len(classes):
        raise InputError(
            f"features: reconstructions of {len(reconstructions)} classes for {len(classes)}; give one each"
        )
    if len(absent := np.setdiff1d(classes, labels)):
        raise InputError(f"features: class {absent[0]} has no private image; leave it out of the classes")
    always = replace(law, probability=1.0)
    private = encode(images)
    erased = np.stack([encode(always.erase(images.cpu(), generator(seed, "erased view", k))[0]) for k in range(draws)])
    found = encode(reconstructions.flatten(0, 1)).reshape(*reconstructions.shape[:2], -1)
    if not all(np.isfinite(part).all() for part in (private, erased, found)):
        raise InputError("features: some are not finite; did the model's training diverge?")
    origin = private.mean(0, dtype=np.float64)
    unit = np.sqrt(np.square(private - origin).sum(1).mean()) or 1.0
    place = lambda part: ((part - origin) / unit).astype(np.float32)  # noqa: E731
    return FeatureGroups(place(private), labels, place(erased), place(found), classes)
