"""A two-dimensional view of the groups in feature space, for figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from mi_tune.judging.features.groups import FeatureGroups
from mi_tune.runtime.errors import InputError

GROUPS = ("private", "erased", "reconstruction")
MAX_CLASSES = 4
"""Most classes that one view shows."""
PROJECTION = "PCA of the private images' features"


@dataclass(frozen=True)
class FeatureView:
    """Points and convex hulls of a few classes in one plane. All fields are arrays, so that an npz file can hold them.

    Args:
        projection: in words, how the plane was chosen.
        explained: share of the shown private images' variance along each axis, (2,).
        in_plane: for each of `GROUPS`, the share of its squared distance from the centre that lies in the plane, (3,).
            If it is small, most of the group's distance is outside the plane and not visible.
        classes: the shown classes, int64 (classes,).
        points: coordinates, float32 (n, 2). point_group: index into `GROUPS`, point_class: class, point_draw: number
            of the erased view, or of the image or reconstruction within its class; each int64 (n,).
        hulls: corners of all hulls in order, float32 (v, 2). hull_group, hull_class: group and class of each corner,
            int64 (v,). The hull of `erased` is that of the first draw only, which has as many points as there are
            private images, because a hull grows with the number of its points.
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
        """Every field as an array that is not of dtype object, for `numpy.savez`."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> FeatureView:
        """Rebuild the view from the result of `arrays`. Raises InputError if an array is missing."""
        if missing := [field.name for field in fields(cls) if field.name not in arrays]:
            raise InputError(f"feature view: no array '{missing[0]}'; it was written by another version")
        return cls(
            projection=str(arrays["projection"]),
            explained=arrays["explained"],
            in_plane=arrays["in_plane"],
            classes=arrays["classes"],
            points=arrays["points"],
            point_group=arrays["point_group"],
            point_class=arrays["point_class"],
            point_draw=arrays["point_draw"],
            hulls=arrays["hulls"],
            hull_group=arrays["hull_group"],
            hull_class=arrays["hull_class"],
        )


def feature_view(groups: FeatureGroups, shown: np.ndarray | None = None) -> FeatureView:
    """Project the groups of a few classes onto the first two principal components of those classes' private images.

    Args:
        shown: positions in `groups.classes`, at most `MAX_CLASSES`; by default the first ones.

    Raises:
        InputError: no class or too many; a position is out of range; or the private images span no plane.
    """
    positions = np.arange(min(MAX_CLASSES, len(groups.classes))) if shown is None else np.asarray(shown, dtype=np.int64)
    if not 1 <= len(positions) <= MAX_CLASSES:
        raise InputError(f"feature view: {len(positions)} classes; give 1 to {MAX_CLASSES}")
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
    in_plane, total = np.zeros(3), np.zeros(3)
    for position, (own, erased, reconstruction) in zip(positions, parts, strict=True):
        for number, rows in enumerate((own, erased.reshape(-1, erased.shape[-1]), reconstruction)):
            flat = (rows - centre) @ axes.T
            in_plane[number] += np.square(flat).sum()
            total[number] += np.square(rows - centre).sum()
            # erased views are ordered by draw, with one view per image in each
            corners = hull(flat[: len(own)] if GROUPS[number] == "erased" else flat)
            points.append(flat)
            group.append(np.full(len(flat), number))
            label.append(np.full(len(flat), groups.classes[position]))
            draw.append(np.arange(len(flat)) // len(own) if GROUPS[number] == "erased" else np.arange(len(flat)))
            hulls.append(corners)
            hull_group.append(np.full(len(corners), number))
            hull_class.append(np.full(len(corners), groups.classes[position]))
    return FeatureView(
        projection=PROJECTION,
        explained=variance[:2] / max(variance.sum(), 1e-12),
        in_plane=in_plane / np.maximum(total, 1e-12),
        classes=groups.classes[positions].astype(np.int64),
        points=np.concatenate(points).astype(np.float32),
        point_group=_integers(group),
        point_class=_integers(label),
        point_draw=_integers(draw),
        hulls=np.concatenate(hulls).astype(np.float32),
        hull_group=_integers(hull_group),
        hull_class=_integers(hull_class),
    )


def _integers(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts).astype(np.int64)


def hull(points: np.ndarray) -> np.ndarray:
    """Corners of the convex hull of points (n, 2), counter-clockwise; the two end points if all lie on one line."""
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:  # fewer than three points, or all on one line
        along = np.lexsort((points[:, 1], points[:, 0]))
        return points[along[[0, -1]]] if len(points) else points
