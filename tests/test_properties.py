"""Trainings that differ in one property alone hide equal shares, in as many steps as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from conftest import make_bank
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_tune.defences.properties import location, partial_erasure
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import LOCATIONS, ErasingLaw
from mi_tune.erasing.realised_area import realised_share, with_share
from mi_tune.nets import create_classifier
from mi_tune.nets.training import Recipe, Training
from mi_tune.runtime.errors import InputError

CPU = torch.device("cpu")
DRAWS = 20_000


def drawn_share(law: ErasingLaw, resolution: int, draws: int = DRAWS) -> float:
    """Share of the pixels that masks of the law really cover."""
    random = torch.Generator().manual_seed(1)
    return float(law.mask(draws, resolution, resolution, random).float().mean())


# How much a law erases


@pytest.mark.parametrize("place", LOCATIONS)
@pytest.mark.parametrize(
    ("area", "resolution"), [((0.3, 0.3), 16), ((0.1, 0.8), 32), ((0.02, 1.0), 20), ((0.5, 0.5), 28)]
)
def test_the_known_share_is_the_one_that_masks_realise(place, area, resolution):
    law = ErasingLaw(0.8, area=area, location=place)
    assert realised_share(law, resolution) == pytest.approx(drawn_share(law, resolution), abs=0.005)


def test_known_answers_of_the_realised_share():
    assert realised_share(ErasingLaw(1.0, area=(0.25, 0.25)), 16) == 0.25
    # a side of 0.3 ** 0.5 * 16 = 8.76 pixels becomes 9
    assert realised_share(ErasingLaw(0.5, area=(0.3, 0.3)), 16) == pytest.approx(0.5 * 81 / 256)
    # of a side of 32 pixels the borders of 64 cut off 4 on average
    assert realised_share(ErasingLaw(1.0, area=(0.25, 0.25), location="overflow"), 64) == pytest.approx((28 / 64) ** 2)
    assert realised_share(ErasingLaw(0.0), 16) == 0


@given(st.sampled_from(LOCATIONS), st.floats(0.01, 0.56), st.integers(16, 224))
@settings(max_examples=80, deadline=None)
def test_a_law_can_be_given_any_share_that_a_square_can_erase(place, share, resolution):
    law = with_share(ErasingLaw(1.0, location=place, fill="white"), share, resolution)
    assert realised_share(law, resolution) == pytest.approx(share, abs=1e-9)
    assert (law.location, law.fill, law.probability) == (place, "white", 1.0)
    sides = law.sample(200, resolution, resolution, torch.Generator().manual_seed(0)).height
    assert int(sides.max() - sides.min()) <= 1


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_share_that_whole_pixels_give_is_one_size(share):
    law = with_share(ErasingLaw(1.0), share, 16)
    assert law.area == (share, share)


@pytest.mark.parametrize(("place", "share"), [("overflow", 0.7), ("inside", 0.001), ("inside", 1.2)])
def test_a_share_that_no_square_can_erase_is_refused_with_those_that_one_can(place, share):
    with pytest.raises(InputError, match=f"'{place}' erases between .* not {share:g}"):
        with_share(ErasingLaw(1.0, location=place), share, 16)


@pytest.mark.parametrize("other", [ErasingLaw(1.0, count=2), ErasingLaw(1.0, aspect=(0.5, 2.0))])
def test_the_share_of_other_laws_than_one_square_is_not_known(other):
    with pytest.raises(InputError, match="one square"):
        realised_share(other, 16)
    with pytest.raises(InputError, match="one square"):
        with_share(other, 0.3, 16)


# Random location


@pytest.mark.parametrize(("area", "resolution"), [(0.3, 32), (0.5, 32), (0.13, 28), (0.4, 64)])
def test_all_locations_really_erase_the_same_share(area, resolution):
    trainings = location(area, resolution)
    assert tuple(trainings) == LOCATIONS
    for place, treatment in trainings.items():
        assert treatment.law.location == place and treatment.law.fill == "mean"
        assert drawn_share(treatment.law, resolution, 8000) == pytest.approx(area, abs=0.005)
        assert treatment == Treatment(treatment.law)


def test_the_same_area_by_name_would_not_be_the_same_share():
    plain = {place: drawn_share(ErasingLaw(1.0, area=(0.3, 0.3), location=place), 32, 2000) for place in LOCATIONS}
    assert plain["inside"] - plain["overflow"] > 0.05


def test_an_area_that_an_overflowing_square_cannot_erase_is_refused():
    with pytest.raises(InputError, match="overflow"):
        location(0.6, 32)


# Partial erasure


def shown(treatment: Treatment, epochs: int = 20) -> tuple[int, int, float]:
    """Steps and views of a training, and the share of their pixels that the law hid."""
    bank = make_bank(5)
    treatment = treatment.resolved(bank.mean())
    model = create_classifier("small_cnn", 5, 1, 16, seed=0)
    recipe = treatment.recipe(Recipe(epochs=epochs, batch_size=7))
    run = Training(model, *bank.tensors(), torch.arange(30), recipe, 0, CPU, treatment.law, treatment.control)
    steps = 0
    step = run.optimiser.step

    def counted() -> None:
        nonlocal steps
        steps += 1
        step()

    run.optimiser.step = counted  # type: ignore[method-assign]
    while not run.finished:
        run.train_epoch()
    return steps, run.views, float(run.erased_share.mean())


@pytest.mark.parametrize("area", [0.25, 0.5])
def test_the_ways_of_partial_erasure_take_the_steps_and_hide_the_shares_that_they_say(area):
    found = {name: shown(treatment) for name, treatment in partial_erasure(area, 16).items()}

    def steps_of(images: int) -> int:
        """Steps of an epoch in batches of 7; a single image left over joins the last batch."""
        return images // 7 if images % 7 == 1 else math.ceil(images / 7)

    steps, views = 20 * steps_of(30), 20 * 30
    assert found["part of every image"] == (steps, views, pytest.approx(area, abs=0.01))
    assert found["whole images blank"] == (steps, views, pytest.approx(area, abs=0.06))
    assert found["whole images left out"] == (steps, views, 0)
    kept = round(30 * (1 - area))
    assert found["whole images left out, fewer steps"] == (20 * steps_of(kept), 20 * kept, 0)
    fewer = round(20 * (1 - area))
    assert found["fewer epochs"] == (fewer * steps_of(30), fewer * 30, 0)
    assert len(found) == 5


def test_blank_images_are_blank_everywhere_and_the_others_whole():
    law = partial_erasure(0.4, 16)["whole images blank"].law.resolved((0.5,))
    images = torch.randint(0, 256, (4000, 1, 16, 16), dtype=torch.uint8)
    after, mask = law.erase(images, torch.Generator().manual_seed(0))
    blank = mask.flatten(1).all(1)
    assert torch.equal(blank, mask.flatten(1).any(1))
    assert (after[blank] == 128).all() and torch.equal(after[~blank], images[~blank])
    assert float(blank.float().mean()) == pytest.approx(0.4, abs=4 * np.sqrt(0.24 / 4000))


@pytest.mark.parametrize("area", [0.0, 1.0, -0.2])
def test_no_part_and_the_whole_are_no_partial_erasure(area):
    with pytest.raises(InputError, match="partial erasure: area"):
        partial_erasure(area, 16)
