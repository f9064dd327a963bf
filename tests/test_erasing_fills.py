"""An erasing law paints what its fill says into the rectangles and nothing anywhere else, in bytes as in floats."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from random_laws import SEEDS, SIZES, laws, random_bytes, stream
from scipy import stats
from torchvision.transforms import v2

from mi_tune.erasing import FILLS, IMAGENET_MEAN, MIDRE_FILL, REFERENCE_LAWS, ErasingLaw
from mi_tune.runtime.errors import InputError


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
        Painted((0.3,), 1, (0.3,)),
        Painted((0.1, 0.2, 0.3, 0.4), 4, (0.1, 0.2, 0.3, 0.4)),
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


@pytest.mark.parametrize(("values", "channels"), [(2, 3), (3, 2), (3, 4), (1, 3), (3, 1)])
def test_a_fill_for_another_number_of_channels_is_refused(values: int, channels: int) -> None:
    law = ErasingLaw(1.0, fill=(0.5,) * values)
    with pytest.raises(InputError, match=f"each of {channels} channels"):
        law(random_bytes(2, channels))
