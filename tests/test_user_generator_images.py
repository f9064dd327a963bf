"""What the images of a user's generator become for a target of another size, other channels or another range."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from own_generators import plain, style
from PIL import Image

from mi_tune.priors import check_prior
from mi_tune.runtime.seeds import generator

CPU = torch.device("cpu")


def test_a_larger_rgb_generator_draws_for_a_smaller_grey_target(generator_file):
    prior = plain(generator_file).load(0, CPU)
    check_prior(prior, channels=1, resolution=16, device=CPU)
    latents = prior.sample_latents(5, generator(0, "test"))
    raw = prior.generator(latents)
    assert raw.shape == (5, 3, 32, 32)
    drawn = prior.decode(latents)
    for image, colours in zip(drawn[:, 0], raw, strict=True):
        pixels = (colours * 255).round().byte().permute(1, 2, 0).numpy()
        wanted = Image.fromarray(pixels).convert("L").resize((16, 16), Image.Resampling.BILINEAR)
        assert np.abs(image.numpy() * 255 - np.asarray(wanted, np.float32)).max() < 2


def test_grey_images_become_rgb_with_equal_channels_and_grow_to_the_target(generator_file):
    prior = plain(
        generator_file, "grey", "\ngrey = lambda: Plain(channels=1, side=8)\n", channels=3, resolution=20
    ).load(0, CPU)
    images = prior.decode(prior.sample_latents(4, generator(0, "test")))
    assert images.shape == (4, 3, 20, 20)
    assert torch.equal(images[:, 0], images[:, 2])


def test_resizing_is_antialiased(generator_file):
    stripes = "\nclass Stripes(Plain):\n    def forward(self, z):\n"
    stripes += "        return (torch.arange(64) % 2).float().expand(len(z), 1, 64, 64) + 0 * z.sum()\n"
    prior = plain(generator_file, "Stripes", stripes).load(0, CPU)
    images = prior.decode(torch.zeros(1, 6))[..., 2:-2]
    torch.testing.assert_close(images, torch.full_like(images, 0.5), atol=0.05, rtol=0)


def test_the_range_is_mapped_to_0_and_1_and_what_lies_beyond_is_clipped(generator_file):
    extra = "\nbytes_ = lambda: Plain(1, 16, 0.0, 255.0)\nunit = lambda: Plain(1, 16)\n"
    ours = plain(generator_file, "bytes_", extra, output_range=(0.0, 255.0)).load(0, CPU)
    unit = plain(generator_file, "unit").load(0, CPU)
    narrow = plain(generator_file, "unit", output_range=(0.05, 0.95)).load(0, CPU)
    latents = ours.sample_latents(6, generator(0, "test"))
    torch.testing.assert_close(ours.decode(latents), unit.decode(latents))
    wanted = ((unit.decode(latents) - 0.05) / 0.9).clamp(0, 1)
    torch.testing.assert_close(narrow.decode(latents), wanted)
    assert narrow.decode(latents).min() == 0


@pytest.mark.parametrize("make", ["Plain", "Style"])
def test_parts_bound_what_is_drawn_at_once_and_change_neither_images_nor_gradients(generator_file, make):
    make = plain if make == "Plain" else style
    whole, parts = make(generator_file).load(0, CPU), make(generator_file, batch=3).load(0, CPU)
    sizes = []
    part = parts.generator if make is plain else parts.generator.synthesis
    part.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    latents = whole.sample_latents(8, generator(0, "test")).requires_grad_(True)
    images, gradients = [], []
    for prior in (whole, parts):
        images.append(prior.decode(latents))
        gradients += torch.autograd.grad(images[-1].square().sum(), latents)
    torch.testing.assert_close(images[0], images[1])
    torch.testing.assert_close(gradients[0], gradients[1])
    assert gradients[0].abs().sum() > 0
    # each part forwards, and once more for its gradient
    assert sorted(sizes) == [2, 2, 3, 3, 3, 3]
    assert whole.key() == parts.key()
