"""Where in an image the rectangles of each location lie, and how often each pixel is erased."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from random_laws import SEEDS, SIZES, laws, stream
from scipy import stats

from mi_tune.erasing import ErasingLaw


@given(laws(locations=("centre",)), SIZES, SIZES, SEEDS)
@settings(max_examples=30, deadline=None)
def test_centre_leaves_the_same_room_on_both_sides_within_a_pixel(
    law: ErasingLaw, height: int, width: int, seed: int
) -> None:
    rect = law.sample(20, height, width, stream(seed))
    assert ((height - rect.top - rect.height) - rect.top).abs().max() <= 1
    assert ((width - rect.left - rect.width) - rect.left).abs().max() <= 1


@given(laws(locations=("fixed",)), SIZES, SEEDS)
@settings(max_examples=30, deadline=None)
def test_fixed_rectangles_of_the_same_size_are_always_at_the_same_place(law: ErasingLaw, size: int, seed: int) -> None:
    rect = law.sample(30, size, size, stream(seed))
    places = torch.stack([field.flatten() for field in rect], 1)
    sizes = places[:, 2:].unique(dim=0)
    assert len(places.unique(dim=0)) == len(sizes)


@pytest.mark.parametrize(
    ("anchor", "top", "left"), [((0, 0), 0, 0), ((1, 1), 8, 8), ((0, 1), 0, 8), ((0.25, 0.5), 2, 4)]
)
def test_the_anchor_says_where_in_its_room_a_fixed_rectangle_lies(
    anchor: tuple[float, float], top: int, left: int
) -> None:
    rect = ErasingLaw(1.0, area=(0.25, 0.25), location="fixed", anchor=anchor).sample(3, 16, 16)
    assert (rect.height == 8).all() and (rect.width == 8).all()
    assert (rect.top == top).all() and (rect.left == left).all()


@given(laws(locations=("periphery",)), SIZES, SIZES, SEEDS)
@settings(max_examples=30, deadline=None)
def test_periphery_touches_a_border(law: ErasingLaw, height: int, width: int, seed: int) -> None:
    rect = law.sample(20, height, width, stream(seed))
    vertical = (rect.top == 0) | (rect.top + rect.height == height)
    horizontal = (rect.left == 0) | (rect.left + rect.width == width)
    assert (vertical | horizontal).all()


def test_periphery_touches_all_four_sides_alike() -> None:
    rect = ErasingLaw(1.0, area=(0.1, 0.1), location="periphery").sample(8000, 64, 64, stream(6))
    room = 64 - int(rect.height[0, 0])
    touched = [(rect.top == 0), (rect.top == room), (rect.left == 0), (rect.left == room)]
    # flush with a side by choice, or with one of the two others by chance
    expected = 0.25 + 0.5 / (room + 1)
    for side in touched:
        assert stats.binomtest(int(side.sum()), 8000, expected).pvalue > 0.001


def test_overflow_centres_are_uniform_over_the_pixels_and_the_border_cuts_the_area() -> None:
    law = ErasingLaw(1.0, area=(0.25, 0.25), location="overflow")
    rect = law.sample(20_000, 16, 12, stream(7))
    row, column = rect.top + rect.height // 2, rect.left + rect.width // 2
    counts = torch.bincount((row * 12 + column).flatten(), minlength=16 * 12)
    assert stats.chisquare(counts.numpy()).pvalue > 0.001

    erased = law.mask(10_000, 64, 64, stream(8)).float().mean()
    # of a side of 32 pixels the borders of 64 cut off 16 + 15 + ... + 1 and 15 + ... + 1 over 64 centres: 4 on average
    assert float(erased) == pytest.approx((28 / 64) ** 2, rel=0.015)


def coverage(side: int, size: int) -> np.ndarray:
    """Probability that a position of a line is within a segment that lies anywhere inside the line."""
    starts = range(size - side + 1)
    return np.array([sum(t <= i < t + side for t in starts) for i in range(size)]) / len(starts)


def erase_map(low: float, high: float, size: int) -> np.ndarray:
    """Probability that a pixel is erased by a square of uniform area, summed over the sides in whole pixels."""
    expected = np.zeros((size, size))
    for side in range(1, size + 1):
        limits = ((side - 0.5) / size) ** 2, ((side + 0.5) / size) ** 2
        share = stats.uniform(low, high - low).cdf(limits) if low < high else np.array(limits) >= low
        expected += np.subtract(share[1], share[0], dtype=float) * np.outer(coverage(side, size), coverage(side, size))
    return expected


@pytest.mark.parametrize(
    ("low", "high", "size"),
    [(0.04, 0.04, 20), (0.14, 0.14, 32), (0.25, 0.25, 32), (0.5, 0.5, 32), (0.1, 0.4, 28), (0.1, 0.8, 32)],
)
def test_the_erase_map_of_squares_is_the_one_computed_exactly(low: float, high: float, size: int) -> None:
    draws = 20_000
    expected = erase_map(low, high, size)
    realised = ErasingLaw(1.0, area=(low, high)).mask(draws, size, size, stream(9)).sum(0).numpy() / draws
    spread = np.sqrt((expected * (1 - expected)).clip(0) / draws)
    assert (np.abs(realised - expected) <= 4 * spread + 1e-6).all()


def test_inside_hides_the_centre_far_more_often_than_the_corners() -> None:
    share = ErasingLaw(1.0, area=(0.1, 0.8)).mask(10_000, 64, 64, stream(10)).float().mean(0)
    assert float(share.mean()) == pytest.approx(0.45, rel=0.015)
    assert float(share[32, 32]) == pytest.approx(0.896, abs=0.01)
    assert float(share[16, 16]) == pytest.approx(0.6225, abs=0.015)
    assert float(share[0, 32]) == pytest.approx(0.052, abs=0.007)
    assert all(float(share[row, column]) < 0.006 for row in (0, 63) for column in (0, 63))
    # a square of a quarter of the image or more always covers the centre
    assert ErasingLaw(1.0, area=(0.3, 0.3)).mask(1000, 64, 64, stream(10))[:, 32, 32].all()
