"""Names of points in figures: they meet nothing, at any width of the page."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_study import trial, write_study

from analysis.figures import front_info, plot_front
from analysis.figures.labels import PAGE_WIDTHS, place_labels
from analysis.statistics import load_study

NAMES = ["no defence", "MIDRE(0.1, 0.4)", "MIDRE(0.1, 0.8)", "Zhong et al."]
LETTER, LINE = 6.0, 13.0
"""Size of text of 11 pixels in a browser."""
RADIUS = 8.5
WIDTHS = np.linspace(*PAGE_WIDTHS, 24)


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two rectangles (left, right, bottom, top) have more than an edge in common."""
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def rectangles(figure: go.Figure, width: float) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]], float]:
    """Rectangles of the names and of the rings of the reference points in pixels, and the height of the plot area.

    They are read from the figure, as a browser would draw it `width` pixels wide.
    """
    layout = figure.layout
    rings = next(t for t in figure.data if t.name == "reference points")
    share = np.ptp(layout.yaxis.domain) if layout.yaxis.domain else 1.0
    height = (layout.height - layout.margin.t - layout.margin.b) * share
    (left, right), (bottom, top) = layout.xaxis.range, layout.yaxis.range
    far = {a.text: a for a in layout.annotations if a.showarrow}
    names, points = [], []
    for x, y, text, position, reference in zip(
        rings.x, rings.y, rings.text, rings.textposition, NAMES[: len(rings.x)], strict=True
    ):
        across, up = (x - left) / (right - left) * width, (y - bottom) / (top - bottom) * height
        points.append((across - RADIUS, across + RADIUS, up - RADIUS, up + RADIUS))
        half = LETTER * len(reference) / 2
        if text:
            vertical, side = position.split()
            across += {"left": -RADIUS - 3 - half, "center": 0, "right": RADIUS + 3 + half}[side]
            up += {"top": RADIUS + LINE / 2, "middle": 0, "bottom": -RADIUS - LINE / 2}[vertical]
        else:
            across, up = across + far[reference].ax, up - far[reference].ay
        names.append((across - half, across + half, up - LINE / 2, up + LINE / 2))
    return names, points, height


def drawn(folder: Path, places: list[tuple[float, float]], infeasible: bool = False) -> go.Figure:
    records = [
        trial(k, natural, attack, reference=NAMES[k] if k < len(NAMES) else "")
        for k, (natural, attack) in enumerate(places)
    ]
    if infeasible:
        records.append(trial(len(records), 0.3, None, state="infeasible"))
    return plot_front(front_info(load_study(write_study(folder / "s", records))))


@pytest.mark.parametrize(
    "places",
    [
        [(0.95, 0.90), (0.948, 0.84), (0.80, 0.60), (0.802, 0.52)],
        [(0.98, 0.95), (0.93, 0.41), (0.93, 0.40), (0.95, 0.70)],  # both MIDRE laws at nearly the same place
        [(0.9, 0.5)] * 4,
        [(0.999, 0.99), (0.999, 0.97), (1.0, 0.99), (0.7, 0.0)],  # in the corners
        [(0.90, 0.30), (0.86, 0.30), (0.82, 0.30), (0.78, 0.30)],
    ],
    ids=["under each other", "twins", "one place", "corners", "a row"],
)
@pytest.mark.parametrize("infeasible", [False, True])
def test_names_of_reference_points_meet_no_name_and_no_ring(tmp_path: Path, places, infeasible: bool):
    figure = drawn(tmp_path, places, infeasible)
    for width in WIDTHS:
        names, rings, height = rectangles(figure, width)
        assert not any(overlap(one, other) for one, other in itertools.combinations(names, 2))
        assert not any(overlap(name, ring) for name in names for ring in rings)
        assert all(name[0] >= 0 and name[1] <= width and name[2] >= 0 and name[3] <= height for name in names)


def test_names_of_points_with_room_stand_above_them(tmp_path: Path):
    figure = drawn(tmp_path, [(0.95, 0.8), (0.85, 0.4), (0.75, 0.6), (0.65, 0.2)])
    rings = next(t for t in figure.data if t.name == "reference points")
    assert list(rings.text) == NAMES
    assert list(rings.textposition[1:3]) == ["top center"] * 2


def test_a_name_makes_way_for_the_name_of_a_baseline(tmp_path: Path):
    # chance is 0.1 and its name stands above its line, at the left edge
    figure = drawn(tmp_path, [(0.95, 0.8), (0.905, 0.09), (0.9, 0.5), (0.99, 0.3)])
    chance = next(a for a in figure.layout.annotations if a.text == "chance")
    assert chance.yanchor == "bottom"
    for width in WIDTHS:
        names, _, height = rectangles(figure, width)
        bottom, top = figure.layout.yaxis.range
        up = (0.1 - bottom) / (top - bottom) * height
        assert not any(overlap(name, (0.0, LETTER * len("chance"), up, up + LINE)) for name in names)


shares = st.floats(0.02, 0.98)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=6))
def test_points_anywhere_get_places_that_meet_nothing(points):
    names = [*NAMES, "torchvision default", "law 7"][: len(points)]
    height = 440.0
    places = place_labels(*zip(*points, strict=True), names, height, RADIUS)
    for width in WIDTHS:
        boxes = []
        for (x, y), name, place in zip(points, names, places, strict=True):
            across, up, half = x * width + place.right, y * height + place.up, LETTER * len(name) / 2
            boxes.append((across - half, across + half, up - LINE / 2, up + LINE / 2))
        rings = [(x * width - RADIUS, x * width + RADIUS, y * height - RADIUS, y * height + RADIUS) for x, y in points]
        assert not any(overlap(one, other) for one, other in itertools.combinations(boxes, 2))
        assert not any(overlap(box, ring) for box in boxes for ring in rings)
        assert all(box[0] >= 0 and box[1] <= width and box[2] >= 0 and box[3] <= height for box in boxes)
