"""The prior that is the drawing itself: its latents stand for people, and following its gradient finds them."""

from __future__ import annotations

import torch
from drawn_people import TINY, people

from mi_tune.data import procedural_banks
from mi_tune.data.procedural import neutral, render
from mi_tune.priors import ProceduralPrior
from mi_tune.runtime.seeds import generator
from mi_tune.setup import make_setup
from mi_tune.trial import assets
from mi_tune.trial.assets import load_data

CPU = torch.device("cpu")


def test_the_prior_draws_the_people_that_its_latents_stand_for():
    prior = ProceduralPrior(32)
    latents = prior.sample_latents(6, generator(0, "test"))
    expected = render(prior.identity(latents), neutral(6), 32)
    assert torch.equal(prior.decode(latents), expected)
    assert torch.equal(prior.decode(latents, torch.arange(6)), expected)
    assert (prior.channels, prior.resolution, prior.conditional) == (1, 32, False)


def test_samples_of_the_prior_have_the_distribution_of_the_people():
    prior = ProceduralPrior(16)
    identity = prior.identity(prior.sample_latents(5000, generator(0, "test")))
    quartiles = identity.quantile(torch.tensor([0.25, 0.5, 0.75]), dim=0)
    assert (quartiles - torch.tensor([[0.25], [0.5], [0.75]])).abs().max() < 0.03


def test_every_private_person_has_a_latent():
    parameters = torch.from_numpy(procedural_banks(20, 2, 1, 16, 0)[2])
    latents = torch.special.ndtri(parameters)
    torch.testing.assert_close(ProceduralPrior(16).identity(latents), parameters)


def test_following_the_prior_s_gradient_finds_a_person_from_the_image_alone():
    prior, true = ProceduralPrior(24), people(4, seed=5)
    wanted = render(true, neutral(4), 24)
    latents = torch.zeros(4, prior.latent_dim, requires_grad=True)
    adam = torch.optim.Adam([latents], lr=0.1)
    for _ in range(200):
        loss = (prior.decode(latents) - wanted).square().sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
    error = (prior.identity(latents.detach()) - true).square().mean().sqrt()
    assert error < 0.35 * (0.5 - true).square().mean().sqrt()


def test_an_attacker_with_the_drawing_is_made_without_training_and_keyed():
    setup = make_setup(TINY, "test")
    data = load_data(setup, 0)
    ground = assets.prepare_ground(setup, data, 0, CPU)
    assert ground.prior.name == "procedural"
    assert ground.samples.images.shape == (40, 1, 16, 16)
    other = make_setup(TINY, "test", {"prior.kind": "eigenface"})
    assert assets.prepare_ground(other, data, 0, CPU).key != ground.key
