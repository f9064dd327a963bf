"""The drawing of a face: what each parameter changes, how it moves and mirrors, and that it has gradients."""

from __future__ import annotations

import pytest
import torch
from drawn_people import people
from torch import Tensor

from mi_tune.data.procedural import IDENTITY, NUISANCE, neutral, render
from mi_tune.runtime.seeds import generator


def with_nuisance(n: int, **values: float) -> Tensor:
    nuisance = neutral(n)
    for name, value in values.items():
        nuisance[:, list(NUISANCE).index(name)] = value
    return nuisance


@pytest.mark.parametrize("resolution", [16, 32, 50])
def test_faces_fill_the_range_of_grey_but_never_leave_it(resolution):
    images = render(people(20), torch.rand(20, len(NUISANCE), generator=generator(1, "test")), resolution)
    assert images.shape == (20, 1, resolution, resolution)
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std((1, 2, 3)).min() > 0.08


def test_gradients_agree_with_finite_differences():
    identity = (0.1 + 0.8 * people(2)).double().requires_grad_(True)
    nuisance = torch.rand(2, len(NUISANCE), generator=generator(1, "test")).double().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda i, v: render(i, v, 12), (identity, nuisance), eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", list(IDENTITY))
def test_every_identity_parameter_shows_at_32_px(name):
    ends = people(50).repeat(2, 1)
    ends[:, list(IDENTITY).index(name)] = torch.tensor([0.0, 1.0]).repeat_interleave(50)
    low, high = render(ends, neutral(100), 32).chunk(2)
    changed = (low - high).abs().amax((1, 2, 3))
    # in nearly all people, by much more than the rounding of a pixel
    assert changed.quantile(0.1) > 15 / 255


@pytest.mark.parametrize("name", list(NUISANCE))
def test_every_nuisance_changes_the_photograph_both_ways(name):
    identity = people(10)
    plain = render(identity, neutral(10), 32)
    ways = [render(identity, with_nuisance(10, **{name: value}), 32) - plain for value in (0.0, 1.0)]
    for way in ways:
        assert (way.abs().amax((1, 2, 3)) > 10 / 255).all()
    assert ((ways[0] - ways[1]).abs().amax((1, 2, 3)) > 10 / 255).all()


def test_a_neutral_face_is_its_own_mirror_image():
    images = render(people(10), neutral(10), 32)
    torch.testing.assert_close(images, images.flip(3), atol=1e-5, rtol=0)


def test_a_mirrored_nuisance_gives_the_mirror_image():
    sideways = [list(NUISANCE).index(name) for name in ("shift_x", "rotation", "turn", "light_x")]
    nuisance = torch.rand(10, len(NUISANCE), generator=generator(2, "test"))
    mirrored = nuisance.clone()
    mirrored[:, sideways] = 1 - mirrored[:, sideways]
    images = render(people(10), nuisance, 32)
    torch.testing.assert_close(render(people(10), mirrored, 32), images.flip(3), atol=1e-4, rtol=0)


def test_a_shift_of_one_pixel_moves_every_pixel_by_one():
    value = 0.5 + (2 / 32) / (2 * NUISANCE["shift_x"])
    moved = render(people(5), with_nuisance(5, shift_x=value), 32)
    torch.testing.assert_close(moved[..., 1:], render(people(5), neutral(5), 32)[..., :-1], atol=1e-4, rtol=0)


def test_brightness_multiplies_every_pixel():
    plain = render(people(5), neutral(5), 32)
    lit = render(people(5), with_nuisance(5, brightness=0.75), 32)
    torch.testing.assert_close(lit, (plain * (1 + NUISANCE["brightness"] / 2)).clamp(max=1))


def test_an_image_depends_on_its_own_row_alone():
    identity, nuisance = people(6), torch.rand(6, len(NUISANCE), generator=generator(3, "test"))
    together = render(identity, nuisance, 24)
    assert torch.equal(render(identity[2:3], nuisance[2:3], 24), together[2:3])


def test_a_face_is_the_same_at_another_resolution_but_for_its_edges():
    fine = torch.nn.functional.avg_pool2d(render(people(10), neutral(10), 64), 2)
    assert (fine - render(people(10), neutral(10), 32)).abs().mean() < 0.03
