"""The latents of a user's StyleGAN: P space with mean 0 and deviation 1, what it decodes to, and truncation."""

from __future__ import annotations

import pytest
import torch
from own_generators import style
from torch import nn

from mi_tune.attacks.constraints import PSpace
from mi_tune.priors.style import before_activation
from mi_tune.runtime.seeds import generator

CPU = torch.device("cpu")


def test_style_latents_have_mean_0_and_standard_deviation_1(generator_file):
    prior = style(generator_file).load(0, CPU)
    latents = prior.sample_latents(20_000, generator(5, "test"))
    assert latents.shape == (20_000, prior.latent_dim) == (20_000, 8)
    torch.testing.assert_close(latents.mean(0), torch.zeros(8), atol=0.05, rtol=0)
    torch.testing.assert_close(latents.std(0), torch.ones(8), atol=0.05, rtol=0)


@pytest.mark.parametrize("factory", ["Style", "NoClass"])
def test_drawn_style_latents_decode_to_what_the_module_draws_of_the_same_z(generator_file, factory):
    prior = style(generator_file, factory).load(0, CPU)
    images = prior.decode(prior.sample_latents(12, generator(7, "test")))
    own = prior.generator
    z = torch.randn(12, 5, generator=generator(7, "test"))
    mapped = own.mapping(z, None) if factory == "Style" else own.mapping(z)
    wanted = (own.synthesis(mapped, noise_mode="const") + 1) / 2
    torch.testing.assert_close(images, wanted.clamp(0, 1), atol=1e-5, rtol=1e-4)
    assert (mapped < 0).any()
    assert images.std() > 0.1


def test_a_clamp_in_p_space_bounds_p_around_its_mean(generator_file):
    prior = style(generator_file).load(0, CPU)
    far = 4 * torch.randn(50, 8, generator=generator(0, "test"))
    kept = PSpace(1.5).around(far)(far, torch.arange(50))
    seen = []
    prior.generator.synthesis.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    prior.decode(kept)
    (ws,) = seen
    assert torch.equal(ws[:, 0], ws[:, 2])
    # p by hand: what a leaky ReLU of slope 0.2 made w of
    p = torch.where(ws[:, 0] < 0, 5 * ws[:, 0], ws[:, 0])
    z = torch.randn(40_000, 5, generator=generator(1, "test"))
    w = prior.generator.mapping(z, None)[:, 0]
    drawn = torch.where(w < 0, 5 * w, w)
    off = (p - drawn.mean(0)).abs() / drawn.std(0)
    assert 1.4 < off.max() < 1.6
    assert ((off.amax(0) > 1.4) & (off.amax(0) < 1.6)).all()


def test_p_space_is_what_a_leaky_relu_undoes():
    p = torch.linspace(-3, 3, 31)
    torch.testing.assert_close(before_activation(nn.functional.leaky_relu(p, 0.2)), p)


def test_truncation_pulls_drawn_w_to_their_mean(generator_file):
    whole, half = style(generator_file).load(0, CPU), style(generator_file, truncation=0.5).load(0, CPU)
    ws = []
    for prior in (whole, half):
        prior.generator.synthesis.register_forward_pre_hook(lambda _, given: ws.append(given[0][:, 0]))
        prior.decode(prior.sample_latents(4000, generator(0, "test")))
    assert torch.allclose(ws[0].mean(0), ws[1].mean(0), atol=0.05)
    torch.testing.assert_close(ws[1].std(0), ws[0].std(0) / 2)
