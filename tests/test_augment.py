"""Augmentations against answers that are known."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mi_tune.data.augment import random_affine, shift_and_flip
from mi_tune.runtime.seeds import generator


def numbered(n: int, size: int = 8) -> torch.Tensor:
    return torch.arange(size * size, dtype=torch.uint8).view(1, 1, size, size).repeat(n, 2, 1, 1)


def test_no_shift_and_no_flip_change_nothing():
    images = numbered(4)
    assert torch.equal(shift_and_flip(images, 0, False, generator(0, "test")), images)


def test_a_shift_moves_the_image_and_repeats_its_border():
    images = numbered(200)
    padded = F.pad(images.float(), (2, 2, 2, 2), mode="replicate").to(torch.uint8)
    known = {(dy, dx): padded[0, :, dy : dy + 8, dx : dx + 8] for dy in range(5) for dx in range(5)}
    seen = set()
    for image in shift_and_flip(images, 2, False, generator(0, "test")):
        seen |= {offset for offset, expected in known.items() if torch.equal(image, expected)}
    assert seen == set(known)  # every offset occurs, and nothing else


def test_about_half_of_the_images_are_mirrored():
    images = numbered(400)
    flipped = shift_and_flip(images, 0, True, generator(0, "test"))
    mirrored = (flipped == images.flip(3)).flatten(1).all(1)
    same = (flipped == images).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 150 < mirrored.sum() < 250


def test_channels_move_together():
    out = shift_and_flip(numbered(50), 3, True, generator(0, "test"))
    assert torch.equal(out[:, 0], out[:, 1])


def test_an_affine_map_without_freedom_is_the_identity():
    images = torch.rand(3, 2, 9, 9)
    torch.testing.assert_close(random_affine(images, generator(0, "test")), images)


@pytest.mark.parametrize("scale", [0.25, 0.64])
def test_a_crop_is_a_window_of_the_asked_area_stretched_over_the_image(scale):
    size = 64
    ramp = torch.linspace(0, 1, size).expand(1, 1, size, size).repeat(100, 1, 1, 1)
    out = random_affine(ramp, generator(0, "test"), scale=(scale, scale))
    width = out[:, 0, 0, -1] - out[:, 0, 0, 0]
    # the ramp's slope shrinks by the crop's side
    torch.testing.assert_close(width, torch.full((100,), scale**0.5), atol=0.03, rtol=0)
    assert out[:, 0, 0, 0].min() < 0.05
    assert out[:, 0, 0, -1].max() > 0.95


def test_a_flip_mirrors_about_half_of_the_images():
    images = torch.rand(200, 1, 8, 8)
    out = random_affine(images, generator(0, "test"), flip=True)
    mirrored = torch.isclose(out, images.flip(3), atol=1e-5).flatten(1).all(1)
    same = torch.isclose(out, images, atol=1e-5).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 70 < mirrored.sum() < 130


def test_a_rotation_turns_within_its_limit():
    line = torch.zeros(100, 1, 33, 33)
    line[:, :, 16] = 1
    out = random_affine(line, generator(0, "test"), rotation=20)
    heights = (out[:, 0, :, 28] * torch.arange(33.0)).sum(1) / out[:, 0, :, 28].sum(1) - 16
    most = 12 * torch.tan(torch.tensor(20 * torch.pi / 180))
    assert heights.abs().max() < most + 0.5
    assert heights.max() > 0.6 * most
    assert heights.min() < -0.6 * most


def test_the_same_stream_gives_the_same_views():
    images = torch.rand(5, 1, 8, 8)
    views = [random_affine(images, generator(1, "test"), (0.5, 1), (0.8, 1.2), 10, True, 0.1) for _ in range(2)]
    assert torch.equal(*views)


def test_gradients_flow_through_a_crop():
    images = torch.rand(4, 1, 8, 8, requires_grad=True)
    random_affine(images, generator(0, "test"), (0.5, 1.0)).sum().backward()
    assert (images.grad.abs().sum((1, 2, 3)) > 0).all()
