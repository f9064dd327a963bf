"""The erasing law draws exactly the rectangles it says, and paints what it says into them and nowhere else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torchvision.transforms import v2

from mi_tune.erasing import (
    FILLS,
    IMAGENET_MEAN,
    LOCATIONS,
    MIDRE_FILL,
    NO_DEFENCE,
    REFERENCE_LAWS,
    ErasingLaw,
    Rectangles,
)
from mi_tune.errors import InputError

SIZES = st.integers(16, 64)
SEEDS = st.integers(0, 2**31 - 1)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ranges(low: float, high: float) -> st.SearchStrategy[tuple[float, float]]:
    return st.tuples(st.floats(low, high), st.floats(low, high)).map(lambda ends: (min(ends), max(ends)))


def laws(
    locations: tuple[str, ...] = LOCATIONS, fills: tuple[str, ...] = FILLS, counts: st.SearchStrategy[int] | None = None
) -> st.SearchStrategy[ErasingLaw]:
    return st.builds(
        ErasingLaw,
        probability=st.floats(0, 1),
        area=ranges(0.02, 1),
        aspect=ranges(0.2, 5),
        location=st.sampled_from(locations),
        fill=st.sampled_from(fills) | st.tuples(*[st.floats(0, 1)] * 3),
        count=counts or st.integers(1, 4),
        clean_epochs=st.integers(0, 5),
        anchor=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    )


def with_probability(law: ErasingLaw, probability: float) -> ErasingLaw:
    return ErasingLaw.from_dict(law.to_dict() | {"probability": probability})


def random_bytes(images: int, channels: int = 3, height: int = 16, width: int = 16, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (images, channels, height, width), dtype=torch.uint8, generator=stream(seed))


# Rectangles


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


# The same distribution as torchvision, where torchvision has the distribution it says


def torchvision_rectangles(law: ErasingLaw, images: int, size: int, seed: int = 1) -> Rectangles:
    """As torchvision draws them; what it gives up on has no height and no width."""
    transform = v2.RandomErasing(p=1.0, scale=law.area, ratio=law.aspect)
    blank = [torch.zeros(1, size, size)]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        drawn = [transform.make_params(blank) for _ in range(images)]
    sides = [(d["i"], d["j"], d["h"], d["w"]) if d["v"] is not None else (0, 0, 0, 0) for d in drawn]
    return Rectangles(*torch.tensor(sides).T[..., None])


@pytest.mark.parametrize(
    "law",
    [
        ErasingLaw(1.0, area=(0.02, 0.2), aspect=(0.5, 2.0)),
        ErasingLaw(1.0, area=(0.02, 0.3), aspect=(0.4, 1.0)),
        ErasingLaw(1.0, area=(0.1, 0.8)),
    ],
    ids=["any aspect", "wide", "squares"],
)
def test_rectangles_are_distributed_as_torchvisions_where_torchvision_never_gives_up(law: ErasingLaw) -> None:
    ours, theirs = law.sample(4000, 64, 64, stream(2)), torchvision_rectangles(law, 3000, 64)
    assert (theirs.height > 0).all()

    def quantities(rect: Rectangles) -> dict[str, np.ndarray]:
        top, left, height, width = (field.flatten().double().numpy() for field in rect)
        return {
            "area": height * width,
            "aspect": height / width,
            "top": top,
            "left": left,
            "room above": top / (64 - height),
        }

    for (name, a), b in zip(quantities(ours).items(), quantities(theirs).values(), strict=True):
        assert stats.ks_2samp(a, b).pvalue > 0.001, name


@pytest.mark.parametrize("size", [64, 256])
def test_the_area_is_uniform_where_torchvision_gives_up_on_large_rectangles(size: int) -> None:
    law = ErasingLaw(1.0, area=(0.1, 0.8), aspect=(0.3, 3.3))
    rect = law.sample(4000, size, size, stream(3))
    share = (rect.height * rect.width).flatten().double().numpy() / size**2
    assert stats.kstest(share, stats.uniform(0.1, 0.7).cdf).pvalue > 0.001


def test_the_mean_area_is_the_asked_one_where_torchvisions_is_smaller() -> None:
    law = ErasingLaw(1.0, area=(0.1, 0.8), aspect=(0.3, 3.3))
    means = []
    for rect in (law.sample(40_000, 64, 64, stream(4)), torchvision_rectangles(law, 3000, 64)):
        means.append(float((rect.height * rect.width).double().mean()) / 64**2)
    assert means[0] == pytest.approx(0.45, rel=0.01)
    assert means[1] == pytest.approx(0.36, abs=0.02)


def test_a_law_of_very_large_rectangles_always_erases_where_torchvision_sometimes_does_not() -> None:
    law = ErasingLaw(1.0, area=(0.8, 0.8), aspect=(0.3, 3.3))
    share = law.mask(2000, 64, 64, stream(5)).float().mean((1, 2))
    assert (share - 0.8).abs().max() < 0.02
    assert 0.1 < float((torchvision_rectangles(law, 2000, 64).height == 0).float().mean()) < 0.25


# Location


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


# What is painted


@given(laws(fills=tuple(k for k in FILLS if k != "mean")), SIZES, SIZES, SEEDS)
@settings(max_examples=60, deadline=None)
def test_pixels_outside_the_mask_stay_exactly_as_they_were_and_so_does_the_input(
    law: ErasingLaw, height: int, width: int, seed: int
) -> None:
    pixels = random_bytes(3, 3, height, width, seed)
    for images in (pixels, pixels / 255, pixels.double() / 255):
        before = images.clone()
        erased, mask = law.erase(images, stream(seed))
        assert erased.dtype == images.dtype and erased.shape == images.shape
        assert mask.dtype == torch.bool and mask.shape == (3, height, width)
        outside = ~mask[:, None].expand_as(images)
        assert torch.equal(erased[outside], images[outside])
        assert torch.equal(images, before)
        assert erased.min() >= 0 and erased.max() <= (255 if images.dtype == torch.uint8 else 1)


@given(laws(fills=tuple(k for k in FILLS if k not in ("mean", "noise"))), SIZES, SIZES, SEEDS)
@settings(max_examples=40, deadline=None)
def test_bytes_and_floats_are_erased_alike(law: ErasingLaw, height: int, width: int, seed: int) -> None:
    pixels = random_bytes(3, 3, height, width, seed)
    in_bytes, mask = law.erase(pixels, stream(seed))
    in_floats, same_mask = law.erase(pixels / 255, stream(seed))
    assert torch.equal(mask, same_mask)
    assert (in_floats * 255 - in_bytes).abs().max() <= 0.5 + 1e-3


class Painted(NamedTuple):
    fill: str | tuple[float, ...]
    channels: int
    values: tuple[float, ...]


LUMA = 0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.9


@pytest.mark.parametrize(
    "case",
    [
        Painted("black", 3, (0, 0, 0)),
        Painted("white", 3, (1, 1, 1)),
        Painted("black", 1, (0,)),
        Painted("white", 1, (1,)),
        Painted("midre", 3, (0.7425, 0.7280, 0.7030)),
        Painted("imagenet", 3, (0.485, 0.456, 0.406)),
        Painted((0.2, 0.4, 0.9), 3, (0.2, 0.4, 0.9)),
        Painted((0.3,), 3, (0.3, 0.3, 0.3)),
        Painted((0.3,), 1, (0.3,)),
        Painted((0.1, 0.2, 0.3, 0.4), 4, (0.1, 0.2, 0.3, 0.4)),
        Painted((0.2, 0.4, 0.9), 1, (LUMA,)),
        Painted("imagenet", 1, (0.4589,)),
        Painted("midre", 1, (0.7295,)),
    ],
    ids=str,
)
def test_a_constant_fill_gives_exactly_these_pixel_values(case: Painted) -> None:
    law = ErasingLaw(1.0, area=(1.0, 1.0), fill=case.fill)
    pixels = random_bytes(2, case.channels)
    in_bytes, in_floats = law(pixels), law(pixels / 255)
    for channel, value in enumerate(case.values):
        assert (in_bytes[:, channel] == round(value * 255)).all()
        assert torch.allclose(in_floats[:, channel], torch.tensor(value, dtype=torch.float32), atol=1e-4)


def test_midre_paints_the_imagenet_mean_as_if_it_were_a_normalised_value() -> None:
    normalise = v2.Normalize([0.5] * 3, [0.5] * 3)
    painted = torch.tensor(MIDRE_FILL).view(3, 1, 1).expand(3, 4, 4)
    assert torch.allclose(normalise(painted)[:, 0, 0], torch.tensor(IMAGENET_MEAN))


def test_noise_in_bytes_is_uniform_over_all_bytes_within_the_mask() -> None:
    law = ErasingLaw(1.0, area=(0.4, 0.6), fill="noise")
    # 3 x 15 x 15 is not a multiple of the four bytes of a draw
    erased, mask = law.erase(torch.full((401, 3, 15, 15), 7, dtype=torch.uint8), stream(11))
    inside = erased[mask[:, None].expand_as(erased)]
    assert stats.chisquare(torch.bincount(inside.int(), minlength=256).numpy()).pvalue > 0.001
    # pixels are drawn independently: neighbours and channels are not alike
    whole = ErasingLaw(1.0, area=(1.0, 1.0), fill="noise")(torch.zeros(100, 3, 16, 16, dtype=torch.uint8), stream(12))
    values = whole.double()
    for a, b in ((values[..., 1:], values[..., :-1]), (values[:, 1:], values[:, :-1]), (values[1:], values[:-1])):
        assert abs(np.corrcoef(a.flatten(), b.flatten())[0, 1]) < 4 / np.sqrt(a.numel())


def test_noise_in_floats_is_uniform_within_the_mask() -> None:
    law = ErasingLaw(1.0, area=(0.4, 0.6), fill="noise")
    erased, mask = law.erase(torch.full((20, 3, 16, 16), 2.0), stream(13))
    inside = erased[mask[:, None].expand_as(erased)]
    assert stats.kstest(inside.double().numpy(), stats.uniform.cdf).pvalue > 0.001


@pytest.mark.parametrize("as_bytes", [True, False])
def test_colour_is_one_uniform_colour_per_image(as_bytes: bool) -> None:
    law = ErasingLaw(1.0, area=(1.0, 1.0), fill="colour")
    pixels = random_bytes(1000, 3, 4, 4)
    colours = law(pixels if as_bytes else pixels / 255, stream(14))
    assert torch.equal(colours, colours[..., :1, :1].expand_as(colours))
    colours = colours[..., 0, 0].double() / (255 if as_bytes else 1)
    assert len(colours.unique(dim=0)) > 990
    assert stats.kstest(colours.flatten().numpy(), stats.uniform.cdf).pvalue > 0.001


def test_image_mean_paints_the_mean_of_that_image_before_erasing() -> None:
    law = ErasingLaw(1.0, area=(0.3, 0.5), fill="image_mean")
    pixels = random_bytes(10) // (1 + torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1))
    erased, mask = law.erase(pixels, stream())
    erased_floats, _ = law.erase(pixels / 255, stream())
    for image in range(10):
        mean = pixels[image].double().mean((1, 2), keepdim=True)
        inside = mask[image].expand(3, -1, -1)
        assert torch.equal(erased[image][inside], mean.round().byte().expand(3, 16, 16)[inside])
        assert torch.allclose(erased_floats[image][inside], (mean / 255).float().expand(3, 16, 16)[inside], atol=1e-5)


@pytest.mark.parametrize("as_bytes", [True, False])
def test_other_image_paints_the_pixels_of_another_image_of_the_batch(as_bytes: bool) -> None:
    law = ErasingLaw(1.0, area=(0.3, 0.5), fill="other_image")
    pixels = random_bytes(6) if as_bytes else random_bytes(6) / 255
    erased, mask = law.erase(pixels, stream())
    for image in range(6):
        inside = mask[image].expand(3, -1, -1)
        sources = [k for k in range(6) if torch.equal(erased[image][inside], pixels[k][inside])]
        assert len(sources) == 1 and sources[0] != image
    with pytest.raises(InputError, match=r"other_image.*two or more"):
        law(pixels[:1])


def test_the_mean_fill_needs_the_mean_of_the_training_images_first() -> None:
    law = ErasingLaw(1.0, area=(1.0, 1.0), fill="mean")
    with pytest.raises(InputError, match=r"mean.*resolved"):
        law(random_bytes(2))
    known = law.resolved((0.1, 0.5, 0.8))
    assert known == ErasingLaw(1.0, area=(1.0, 1.0), fill=(0.1, 0.5, 0.8))
    assert known(random_bytes(2))[0, :, 0, 0].tolist() == [26, 128, 204]
    assert REFERENCE_LAWS["Zhong et al."].resolved((0.1,)) == REFERENCE_LAWS["Zhong et al."]


@pytest.mark.parametrize(("values", "channels"), [(2, 3), (3, 2), (3, 4)])
def test_a_fill_for_another_number_of_channels_is_refused(values: int, channels: int) -> None:
    law = ErasingLaw(1.0, fill=(0.5,) * values)
    with pytest.raises(InputError, match=f"each of {channels} channels"):
        law(random_bytes(2, channels))


# Several rectangles, schedule


def test_several_rectangles_erase_more_than_one_and_at_most_their_sum() -> None:
    one = ErasingLaw(1.0, area=(0.1, 0.1))
    rect = ErasingLaw(1.0, area=(0.1, 0.1), count=3).sample(500, 20, 20, stream())
    assert (rect.top[:, 0] != rect.top[:, 1]).any() and (rect.left[:, 1] != rect.left[:, 2]).any()
    single = int(one.sample(1, 20, 20).height[0, 0]) ** 2
    for count in (2, 3, 5):
        erased = ErasingLaw(1.0, area=(0.1, 0.1), count=count).mask(500, 20, 20, stream()).sum((1, 2))
        assert erased.min() >= single and erased.max() <= count * single
        assert single < float(erased.float().mean()) < count * single


@pytest.mark.parametrize(("clean", "erasing"), [(0, [True] * 4), (1, [True] * 3 + [False]), (4, [False] * 4)])
def test_the_last_epochs_can_be_clean(clean: int, erasing: list[bool]) -> None:
    law = ErasingLaw(probability=0.5, clean_epochs=clean)
    assert [law.active(epoch, 4) for epoch in range(4)] == erasing
    assert not any(NO_DEFENCE.active(epoch, 4) for epoch in range(4))


# Use as values and in pipelines


@given(laws())
def test_a_law_survives_the_way_through_plain_values(law: ErasingLaw) -> None:
    values = law.to_dict()
    assert all(isinstance(v, (int, float, str, list)) for v in values.values())
    assert ErasingLaw.from_dict(values) == law


@pytest.mark.parametrize("name", REFERENCE_LAWS)
def test_the_reference_laws_survive_the_way_through_plain_values(name: str) -> None:
    assert ErasingLaw.from_dict(REFERENCE_LAWS[name].to_dict()) == REFERENCE_LAWS[name]


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(InputError, match="colour_jitter"):
        ErasingLaw.from_dict({"probability": 0.5, "colour_jitter": 1})


@pytest.mark.parametrize(
    ("values", "culprit"),
    [
        ({"probability": 1.2}, "probability 1.2"),
        ({"probability": -0.1}, "probability -0.1"),
        ({"probability": float("nan")}, "probability nan"),
        ({"area": (0.5, 0.2)}, "area range is upside down"),
        ({"area": (0.0, 0.2)}, "area range .0.0, 0.2. is outside"),
        ({"area": (0.5, 1.1)}, "area range .0.5, 1.1. is outside"),
        ({"area": (float("nan"), 0.5)}, "area range"),
        ({"aspect": (0.0, 1.0)}, "aspect range .0.0, 1.0. is outside"),
        ({"aspect": (2.0, 1.0)}, "aspect range is upside down"),
        ({"location": "corner"}, "unknown location 'corner'"),
        ({"fill": "pink"}, "unknown fill 'pink'"),
        ({"fill": (0.5, 1.5, 0.5)}, r"fill .*1\.5.* is outside"),
        ({"fill": (127.0, 127.0, 127.0)}, "fill .*before normalisation"),
        ({"fill": (-0.1,)}, "fill .*outside"),
        ({"count": 0}, "count 0"),
        ({"clean_epochs": -1}, "clean_epochs -1"),
        ({"anchor": (0.5, 1.5)}, "anchor .*outside"),
        ({"anchor": (-0.5, 0.5)}, "anchor .*outside"),
        ({"aspect": (1.0, float("inf"))}, "aspect range .1.0, inf. is outside"),
        ({"area": (0.1, 0.2, 0.3)}, "area .* is not a pair"),
        ({"area": 0.3}, "area 0.3 is not a sequence"),
        ({"anchor": (0.5,)}, "anchor .* is not a pair"),
        ({"probability": "often"}, "probability 'often' is not a number"),
        ({"count": 1.5}, "count 1.5 is not a whole number"),
        ({"fill": ()}, "fill .* is outside"),
    ],
    ids=str,
)
def test_a_parameter_out_of_range_is_named(values: dict, culprit: str) -> None:
    with pytest.raises(InputError, match=culprit):
        ErasingLaw(**values)


@pytest.mark.parametrize("fill", [k for k in FILLS if k != "mean"])
def test_the_same_seed_gives_the_same_images_and_leaves_the_global_stream_alone(fill: str) -> None:
    law = ErasingLaw(0.7, area=(0.1, 0.5), aspect=(0.5, 2.0), fill=fill, count=2)
    pixels = random_bytes(20)
    before = torch.get_rng_state()
    for images in (pixels, pixels / 255):
        first, second, other = (law(images, stream(seed)) for seed in (3, 3, 4))
        assert torch.equal(first, second) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_a_generator_the_global_seed_decides() -> None:
    law = ErasingLaw(1.0, area=(0.1, 0.5), fill="noise")
    results = []
    for _ in range(2):
        torch.manual_seed(5)
        results.append(law(random_bytes(4)))
    assert torch.equal(results[0], results[1])


@pytest.mark.parametrize("fill", ["white", "noise", "colour", "image_mean"])
def test_a_law_is_a_step_of_a_pipeline_for_a_single_image(fill: str) -> None:
    law = ErasingLaw(1.0, area=(0.2, 0.4), fill=fill)
    image = random_bytes(1)[0]
    for one in (image, image / 255):
        assert torch.equal(law(one, stream(1)), law(one[None], stream(1))[0])
    to_float = v2.ToDtype(torch.float32, scale=True)
    out = v2.Compose([to_float, law])(image)
    changed = (out != to_float(image)).any(0)
    assert out.shape == image.shape and 0.15 < float(changed.float().mean()) < 0.45
