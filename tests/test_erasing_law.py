"""The erasing law as a value and as a step of a pipeline: plain values, refusals, schedule and seeds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from random_laws import laws, random_bytes, stream
from torchvision.transforms import v2

from mi_tune.erasing import FILLS, NO_DEFENCE, REFERENCE_LAWS, ErasingLaw
from mi_tune.erasing.columns import law_columns, law_of
from mi_tune.erasing.picture import law_html
from mi_tune.erasing.wording import describe
from mi_tune.runtime.errors import InputError


@given(laws())
def test_a_law_survives_the_way_through_plain_values(law: ErasingLaw) -> None:
    values = law.to_dict()
    assert all(isinstance(v, (int, float, str, list)) for v in values.values())
    assert ErasingLaw.from_dict(values) == law


@pytest.mark.parametrize("name", REFERENCE_LAWS)
def test_the_reference_laws_survive_the_way_through_plain_values(name: str) -> None:
    assert ErasingLaw.from_dict(REFERENCE_LAWS[name].to_dict()) == REFERENCE_LAWS[name]


def test_the_reference_laws_are_the_published_ones() -> None:
    found = {name: (law.probability, law.area, law.aspect, law.fill) for name, law in REFERENCE_LAWS.items()}
    assert found == {
        "no defence": (0.0, (0.02, 0.4), (1.0, 1.0), "black"),
        "MIDRE(0.1, 0.4)": (1.0, (0.1, 0.4), (1.0, 1.0), "midre"),
        "MIDRE(0.1, 0.8)": (1.0, (0.1, 0.8), (1.0, 1.0), "midre"),
        "Zhong et al.": (0.5, (0.02, 0.4), (0.3, 3.3), "noise"),
    }


def test_a_law_stands_in_a_table_by_its_parameters() -> None:
    law = ErasingLaw(0.5, (0.1, 0.2), (0.3, 3.0), "fixed", (0.25, 1.0, 0.123456), count=2, clean_epochs=3)
    row = {"probability": 0.5, "area_low": 0.1, "area_high": 0.2, "aspect_low": 0.3, "aspect_high": 3.0}
    row |= {"location": "fixed", "fill": "0.25,1,0.1235", "count": 2, "clean_epochs": 3}
    assert law_columns(law) == row
    assert law_of(row) == replace(law, fill=(0.25, 1.0, 0.1235))
    assert law_of(row | {"fill": "noise"}).fill == "noise"


@pytest.mark.parametrize(
    ("law", "text"),
    [
        (NO_DEFENCE, "no erasing"),
        (ErasingLaw(1.0, (0.1, 0.4)), "p 1.00, area 0.10-0.40, inside, black"),
        (
            ErasingLaw(0.5, (0.1, 0.4), (0.3, 3.3), "overflow", (0.5, 1.0), count=2, clean_epochs=5),
            "p 0.50, area 0.10-0.40, aspect to 3.3, overflow, 0.50,1.00, 2 rectangles, last 5 epochs clean",
        ),
    ],
)
def test_a_law_is_described_in_one_line(law: ErasingLaw, text: str) -> None:
    assert describe(law) == text


@pytest.mark.parametrize("count", [1, 3])
def test_the_picture_of_a_law_shows_every_rectangle_of_eight_images(count: int) -> None:
    picture = law_html(ErasingLaw(1.0, (0.1, 0.1), count=count))
    assert picture.count('fill="#3b4a5a"') == 8 * count
    assert law_html(ErasingLaw(0.0, count=count)).count('fill="#3b4a5a"') == 0
    side = round((0.1 * 48**2) ** 0.5)
    assert picture.count(f'width="{side}" height="{side}" fill="#3b4a5a"') == 8 * count


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


@pytest.mark.parametrize(("clean", "erasing"), [(0, [True] * 4), (1, [True] * 3 + [False]), (4, [False] * 4)])
def test_the_last_epochs_can_be_clean(clean: int, erasing: list[bool]) -> None:
    law = ErasingLaw(probability=0.5, clean_epochs=clean)
    assert [law.active(epoch, 4) for epoch in range(4)] == erasing
    assert not any(NO_DEFENCE.active(epoch, 4) for epoch in range(4))


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


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.zeros(3, 8, 8, dtype=torch.int16), r"images of torch\.int16; give uint8"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), r"images of torch\.int64"),
        (torch.full((3, 8, 8), 255.0), r"pixels from 255 to 255; give floats in \[0, 1\]"),
        (torch.full((3, 8, 8), float("inf")), "pixels from inf to inf"),
        (torch.full((3, 8, 8), float("nan")), "pixels from nan to nan"),
        (torch.full((3, 8, 8), -1.0), "pixels from -1 to -1"),
        (torch.zeros(8, 8), r"got \(8, 8\), not a tensor \(channels, height, width\)"),
        ("a path", "got str and no image"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(images, said):
    for law in (NO_DEFENCE, ErasingLaw(1.0)):
        with pytest.raises(InputError, match=said) as caught:
            law(images)
        assert "\n" not in str(caught.value)
