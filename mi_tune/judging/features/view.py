"""The plane in which the groups can be looked at."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from mi_tune.judging.features.groups import FeatureGroups
from mi_tune.runtime.errors import InputError

GROUPS = ("private", "erased", "reconstruction")
MOST_CLASSES = 4
PROJECTION = "PCA of the private images' features"


@dataclass(frozen=True)
class FeatureView:
    """Points and hulls of a few classes in one plane; nothing but arrays, so that `arrays` can go into an npz file.

    Args:
        projection: how the plane was found. explained: (2,), share of the shown private images' variance along each
            axis.
        in_plane: (3,), for each of `GROUPS` the share of its squared distance from the centre that the plane holds;
            where it is small, the group is elsewhere and only its shadow is seen.
        classes: int64 (classes,), the shown ones.
        points: float32 (n, 2); point_group: index into `GROUPS`, point_class: class, point_draw: number of the erased
            view or of the image or reconstruction within its class, each int64 (n,).
        hulls: float32 (v, 2), corners in order; hull_group and hull_class likewise. The hull of `erased` is that of the
            first draw, as many points as private images: a hull grows with the number of its points.
    """

    projection: str
    explained: np.ndarray
    in_plane: np.ndarray
    classes: np.ndarray
    points: np.ndarray
    point_group: np.ndarray
    point_class: np.ndarray
    point_draw: np.ndarray
    hulls: np.ndarray
    hull_group: np.ndarray
    hull_class: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """Every field as an array without objects, for `numpy.savez`."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> FeatureView:
        """The view that `arrays` gave. Raises InputError if one is missing."""
        if missing := [field.name for field in fields(cls) if field.name not in arrays]:
            raise InputError(f"feature view: no array '{missing[0]}'; it was written by another version")
        values = {field.name: arrays[field.name] for field in fields(cls)}
        return cls(**values | {"projection": str(values["projection"])})


def feature_view(groups: FeatureGroups, shown: np.ndarray | None = None) -> FeatureView:
    """Project the groups of a few classes on the two main axes of those classes' private images.

    Args:
        shown: positions in `groups.classes`, at most `MOST_CLASSES`; the first ones when missing.

    Raises:
        InputError: no class or too many, a position that is not there, or private images that span no plane.
    """
    positions = (
        np.arange(min(MOST_CLASSES, len(groups.classes))) if shown is None else np.asarray(shown, dtype=np.int64)
    )
    if not 1 <= len(positions) <= MOST_CLASSES:
        raise InputError(f"feature view: {len(positions)} classes; give 1 to {MOST_CLASSES}")
    if positions.min() < 0 or positions.max() >= len(groups.classes):
        raise InputError(
            f"feature view: there is no class at position {positions.max()}; give 0 to {len(groups.classes) - 1}"
        )
    parts = [groups.of_class(int(position)) for position in positions]
    private = np.concatenate([part[0] for part in parts]).astype(np.float64)
    if len(private) < 3 or private.shape[1] < 2:
        raise InputError(
            f"feature view: {len(private)} private images of {private.shape[1]} features span no plane; show more"
        )
    centre = private.mean(0)
    _, strength, axes = np.linalg.svd(private - centre, full_matrices=False)
    axes = axes[:2] * np.sign(np.take_along_axis(axes[:2], np.abs(axes[:2]).argmax(1)[:, None], 1))
    variance = np.square(strength)
    points, group, label, draw = [], [], [], []
    hulls, hull_group, hull_class = [], [], []
    held, whole = np.zeros(3), np.zeros(3)
    for position, (own, erased, found) in zip(positions, parts, strict=True):
        for number, rows in enumerate((own, erased.reshape(-1, erased.shape[-1]), found)):
            flat = (rows - centre) @ axes.T
            held[number] += np.square(flat).sum()
            whole[number] += np.square(rows - centre).sum()
            # the views are ordered by draw, with one of each image
            corners = hull(flat[: len(own)] if GROUPS[number] == "erased" else flat)
            points.append(flat)
            group.append(np.full(len(flat), number))
            label.append(np.full(len(flat), groups.classes[position]))
            draw.append(np.arange(len(flat)) // len(own) if GROUPS[number] == "erased" else np.arange(len(flat)))
            hulls.append(corners)
            hull_group.append(np.full(len(corners), number))
            hull_class.append(np.full(len(corners), groups.classes[position]))
    join = lambda parts, kind: np.concatenate(parts).astype(kind)  # noqa: E731
    return FeatureView(
        PROJECTION,
        variance[:2] / max(variance.sum(), 1e-12),
        held / np.maximum(whole, 1e-12),
        groups.classes[positions].astype(np.int64),
        join(points, np.float32),
        *(join(parts, np.int64) for parts in (group, label, draw)),
        join(hulls, np.float32),
        *(join(parts, np.int64) for parts in (hull_group, hull_class)),
    )


def hull(points: np.ndarray) -> np.ndarray:
    """Corners of the convex hull of points (n, 2), counter-clockwise; the two ends where all lie on one line."""
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:  # fewer than three points, or all on one line
        along = np.lexsort((points[:, 1], points[:, 0]))
        return points[along[[0, -1]]] if len(points) else points
