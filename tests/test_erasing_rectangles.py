"""The rectangles of an erasing law: as large, as steep, as many and as often as it says, and inside the image."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from random_laws import SEEDS, SIZES, laws, stream, with_probability
from scipy import stats

from mi_tune.erasing import LOCATIONS, ErasingLaw


@given(laws(locations=tuple(k for k in LOCATIONS if k != "overflow")), SIZES, SIZES, SEEDS)
@settings(max_examples=60, deadline=None)
def test_rectangles_lie_inside_the_image(law: ErasingLaw, height: int, width: int, seed: int) -> None:
    rect = law.sample(20, height, width, stream(seed))
    assert all(field.shape == (20, law.count) and field.dtype == torch.int64 for field in rect)
    assert (rect.height >= 1).all() and (rect.width >= 1).all()
    assert (rect.top >= 0).all() and (rect.top + rect.height <= height).all()
    assert (rect.left >= 0).all() and (rect.left + rect.width <= width).all()


@given(laws(locations=("overflow",)), SIZES, SIZES, SEEDS)
@settings(max_examples=30, deadline=None)
def test_rectangles_that_overflow_have_their_centre_inside_the_image(
    law: ErasingLaw, height: int, width: int, seed: int
) -> None:
    rect = law.sample(20, height, width, stream(seed))
    row, column = rect.top + rect.height // 2, rect.left + rect.width // 2
    assert (row >= 0).all() and (row < height).all()
    assert (column >= 0).all() and (column < width).all()


@given(laws(), SIZES, SIZES, SEEDS)
@settings(max_examples=60, deadline=None)
def test_the_area_of_a_rectangle_is_in_the_laws_range_up_to_whole_pixels(
    law: ErasingLaw, height: int, width: int, seed: int
) -> None:
    rect = law.sample(20, height, width, stream(seed))
    smallest = (rect.height - 0.5) * (rect.width - 0.5)
    largest = (rect.height + 0.5) * (rect.width + 0.5)
    low, high = (share * height * width for share in law.area)
    assert (smallest <= high * (1 + 1e-5)).all() and (largest >= low * (1 - 1e-5)).all()


@given(laws(), SIZES, SIZES, SEEDS)
@settings(max_examples=60, deadline=None)
def test_the_aspect_leaves_its_range_only_where_it_would_not_fit(
    law: ErasingLaw, height: int, width: int, seed: int
) -> None:
    rect = law.sample(20, height, width, stream(seed))
    flattest = (rect.height - 0.5) / (rect.width + 0.5)
    steepest = (rect.height + 0.5) / (rect.width - 0.5)
    steep_enough = (steepest >= law.aspect[0] * (1 - 1e-5)) | (rect.height == height)
    flat_enough = (flattest <= law.aspect[1] * (1 + 1e-5)) | (rect.width == width)
    assert steep_enough.all() and flat_enough.all()


@given(laws(), SIZES, SIZES, SEEDS)
@settings(max_examples=40, deadline=None)
def test_the_mask_is_the_union_of_the_sampled_rectangles_cut_at_the_border(
    law: ErasingLaw, height: int, width: int, seed: int
) -> None:
    rect = law.sample(4, height, width, stream(seed))
    expected = torch.zeros(4, height, width, dtype=torch.bool)
    for image in range(4):
        for top, left, h, w in zip(*(field[image].tolist() for field in rect), strict=True):
            expected[image, max(top, 0) : max(top + h, 0), max(left, 0) : max(left + w, 0)] = True
    assert torch.equal(with_probability(law, 1.0).mask(4, height, width, stream(seed)), expected)


@given(laws(), SIZES, SIZES, SEEDS)
@settings(max_examples=30, deadline=None)
def test_probability_zero_erases_nothing_and_probability_one_every_image(
    law: ErasingLaw, height: int, width: int, seed: int
) -> None:
    assert not with_probability(law, 0.0).mask(20, height, width, stream(seed)).any()
    assert with_probability(law, 1.0).mask(20, height, width, stream(seed)).flatten(1).any(1).all()


@pytest.mark.parametrize("probability", [0.03, 0.5, 0.9])
def test_the_share_of_erased_images_is_the_probability(probability: float) -> None:
    law = ErasingLaw(probability=probability, count=2, location="overflow")
    erased = int(law.mask(20_000, 16, 16, stream()).flatten(1).any(1).sum())
    assert stats.binomtest(erased, 20_000, probability).pvalue > 0.001


def test_several_rectangles_erase_more_than_one_and_at_most_their_sum() -> None:
    one = ErasingLaw(1.0, area=(0.1, 0.1))
    rect = ErasingLaw(1.0, area=(0.1, 0.1), count=3).sample(500, 20, 20, stream())
    assert (rect.top[:, 0] != rect.top[:, 1]).any() and (rect.left[:, 1] != rect.left[:, 2]).any()
    single = int(one.sample(1, 20, 20).height[0, 0]) ** 2
    for count in (2, 3, 5):
        erased = ErasingLaw(1.0, area=(0.1, 0.1), count=count).mask(500, 20, 20, stream()).sum((1, 2))
        assert erased.min() >= single and erased.max() <= count * single
        assert single < float(erased.float().mean()) < count * single
