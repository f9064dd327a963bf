"""Between what a sampler proposes and the law that it means."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mi_tune.erasing import REFERENCE_LAWS
from mi_tune.search.geometry import value_at
from mi_tune.search.space import LARGEST_AREA, distributions, law_from, params_of
from mi_tune.setup import Space

WIDE = Space(
    probability=(0.0, 1.0),
    area_low=(0.02, 0.7),
    area_span=(0.0, 0.7),
    aspect_max=(1.0, 3.3),
    count=(1, 3),
    clean_epochs=(0, 20),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 0.999), min_size=8, max_size=8))
def test_every_point_of_the_space_is_a_valid_law(quantiles):
    space = distributions(WIDE)
    params = {name: value_at(d, u) for (name, d), u in zip(space.items(), quantiles, strict=True)}
    law = law_from(WIDE, params)
    assert law.area[0] == params["area_low"]
    assert law.area[1] <= LARGEST_AREA
    assert law.aspect[0] * law.aspect[1] == pytest.approx(1)
    assert (law.location, law.count, law.clean_epochs) == (
        params["location"],
        params["count"],
        params["clean_epochs"],
    )


@pytest.mark.parametrize("name", REFERENCE_LAWS)
def test_the_point_of_a_reference_law_means_that_law(name):
    law, point = REFERENCE_LAWS[name], params_of(WIDE, REFERENCE_LAWS[name])
    back = law_from(WIDE, point)
    assert back.probability == law.probability
    if law.probability:
        assert back.area == pytest.approx(law.area)
        assert back.aspect == pytest.approx(law.aspect, abs=0.01)
        assert (back.location, back.fill) == (law.location, law.fill)


def test_ranges_become_distributions_and_single_values_of_other_defences_do_not():
    ranges = {"rank": {"low": 5, "high": 60, "log": True, "whole": True}, "sharpness": [0.0, 10.0]}
    space = Space(
        probability=(0.2, 0.9),
        area_low=0.1,
        area_span=(0.2, 0.4),
        aspect_max=(1.0, 3.0),
        location=["inside"],
        fill=["mean", "noise"],
        count=(2, 5),
        defences={"loft": ranges, "rounding": {"decimals": 1}},
    )
    assert dict(distributions(space)) == {
        "erasing": CategoricalDistribution([False, True]),
        "loft": CategoricalDistribution([False, True]),
        "rounding": CategoricalDistribution([False, True]),
        "probability": FloatDistribution(0.2, 0.9),
        "area_span": FloatDistribution(0.2, 0.4),
        "aspect_max": FloatDistribution(1.0, 3.0, log=True),
        "fill": CategoricalDistribution(["mean", "noise"]),
        "count": IntDistribution(2, 5),
        "loft.rank": IntDistribution(5, 60, log=True),
        "loft.sharpness": FloatDistribution(0.0, 10.0),
    }


def test_a_reference_outside_the_space_has_no_point():
    narrow = Space(probability=(0.5, 1.0), fill=["mean"])
    assert all(params_of(narrow, law) is None for law in REFERENCE_LAWS.values())


def test_single_values_are_fixed_and_not_searched():
    space = Space(probability=1.0, location=["inside"], fill=["mean", "noise"], count=2)
    assert set(distributions(space)) == {"area_low", "area_span", "aspect_max", "fill"}
    law = law_from(space, {"area_low": 0.1, "area_span": 0.2, "aspect_max": 2.0, "fill": "noise"})
    assert (law.probability, law.location, law.count, law.fill) == (1.0, "inside", 2, "noise")


def test_quantiles_reach_every_choice():
    choices = CategoricalDistribution(["a", "b", "c"])
    assert [value_at(choices, u) for u in (0.0, 0.34, 0.99)] == ["a", "b", "c"]
