"""Places for the names of points in a figure: no name meets another name, a point, or an edge, at any page width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

PAGE_WIDTHS = (620.0, 1080.0)
"""Narrowest and widest plot area, in pixels, in which names keep clear of each other. Offsets of names are in pixels
and distances between points grow with the page, so names are kept clear at both ends and at all widths between."""
LETTER, LINE = 6.6, 15.0
"""Generous width of a letter and height of a line of text of 11 pixels."""
LINES_AWAY = 6
"""How many lines of text a name may be moved away from beside its point."""


POSITIONS = {
    "top center": (0, 1),
    "middle right": (1, 0),
    "middle left": (-1, 0),
    "bottom center": (0, -1),
    "top right": (1, 1),
    "bottom right": (1, -1),
    "top left": (-1, 1),
    "bottom left": (-1, -1),
}
"""Plotly's positions of a name beside its point, as directions to the right and upwards; the best ones first."""


@dataclass(frozen=True)
class Place:
    """Where a name stands: its direction from the point, and the centre's offset in pixels to the right and upwards.

    far: whether it is farther away than right beside the point.
    """

    position: str
    right: float
    up: float
    far: bool


@dataclass(frozen=True)
class Box:
    """A rectangle whose place on the page depends on the page's width W: its centre is at (x W + right, up).

    x: share of the plot area's width. half_width, half_height: in pixels.
    """

    x: float
    right: float
    up: float
    half_width: float
    half_height: float

    def meets(self, other: Box) -> bool:
        """Whether the two overlap at some width of PAGE_WIDTHS."""
        if abs(self.up - other.up) >= self.half_height + other.half_height:
            return False
        # the distance is linear in the width: if they are apart on the same side at both ends, so they are between
        apart = [(self.x - other.x) * width + self.right - other.right for width in PAGE_WIDTHS]
        least = self.half_width + other.half_width
        return not (min(apart) >= least or max(apart) <= -least)

    def cut_off(self, height: float) -> bool:
        """Whether an edge of the plot area, `height` pixels high, cuts it at some width."""
        middles = [self.x * width + self.right for width in PAGE_WIDTHS]
        rooms = [min(middle, width - middle) for middle, width in zip(middles, PAGE_WIDTHS, strict=True)]
        return min(rooms) < self.half_width or min(self.up, height - self.up) < self.half_height


def place_labels(
    x: Sequence[float],
    y: Sequence[float],
    names: Sequence[str],
    height: float,
    radius: float,
    taken: Sequence[Box] = (),
) -> list[Place]:
    """Where the name of each point stands: right beside its point if it can, else farther away.

    The most crowded points choose first; each takes the nearest place that meets nothing, or if all do, the one that
    meets least.

    Args:
        x, y: places of the points as shares of the plot area, from its lower left corner. height: of the plot area, in
            pixels. radius: of the points, in pixels. taken: where something else stands.
    """
    points = [Box(u, 0.0, v * height, radius, radius) for u, v in zip(x, y, strict=True)]
    crowd = [sum(abs(a.up - b.up) < 4 * LINE and abs(a.x - b.x) < 0.25 for b in points) for a in points]
    found: dict[int, tuple[Place, Box]] = {}
    for number in sorted(range(len(points)), key=lambda k: -crowd[k]):
        others = [*taken, *points, *(box for _, box in found.values())]
        found[number] = min(
            _places(points[number], names[number], radius),
            key=lambda one: sum(one[1].meets(other) for other in others) + 2 * one[1].cut_off(height),
        )
    return [found[number][0] for number in range(len(points))]


def text_box(x: float, y: float, text: str, height: float) -> Box:
    """The box of a text that begins at (x, y) and stands on it, as shares of the plot area."""
    return Box(x, LETTER * len(text) / 2, y * height + LINE / 2, LETTER * len(text) / 2, LINE / 2)


def _places(point: Box, name: str, radius: float) -> list[tuple[Place, Box]]:
    """Places of a name around its point, the nearest first."""
    width, height = LETTER * len(name) / 2, LINE / 2
    found = []
    for lines in range(LINES_AWAY + 1):
        beside, over = radius + 3 + width + lines * LINE, radius + 1 + height + lines * LINE
        for position, (right, up) in POSITIONS.items():
            place = Place(position, right * beside, up * over, lines > 0)
            found.append((place, Box(point.x, place.right, point.up + place.up, width, height)))
    return found


def add_far_labels(
    figure: go.Figure, rows: Sequence[tuple[float, float, str, Place]], colour: str, **where: int
) -> None:
    """Write the names that stand far from their points, with a thin line to each; the others are text of the trace.

    Args:
        rows: x and y of a point on the axes, its name, and the name's place. where: row and column of the subplot.
    """
    for x, y, name, place in rows:
        if place.far:
            figure.add_annotation(
                {"x": x, "y": y, "ax": place.right, "ay": -place.up, "text": name},
                showarrow=True,
                arrowhead=0,
                arrowwidth=1,
                arrowcolor=colour,
                standoff=8,
                borderpad=0,
                font={"size": 11, "color": colour},
                **where,
            )
