"""The attacker's priors: what they render, and that they are made from public images alone and only once."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from conftest import make_bank, write_image_folder

from mi_tune.data import orl_bank, procedural_banks
from mi_tune.priors import (
    DCGANPrior,
    EigenfacePrior,
    GanRecipe,
    eigenface,
    fit_eigenfaces,
    render_samples,
    train_dcgan,
)
from mi_tune.priors.diff_augment import diff_augment
from mi_tune.priors.small_moves import moved
from mi_tune.runtime.errors import DivergedError
from mi_tune.runtime.seeds import generator
from mi_tune.setup import make_setup
from mi_tune.trial import assets

CPU = torch.device("cpu")
PUBLIC = make_bank(8, images=12, size=16)
QUICK = GanRecipe(steps=6, batch_size=8, latent_dim=8, width=8)


def floats(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).float() / 255


# ------------------------------------------------------------------------------------------------- eigenfaces


def test_eigenface_samples_have_the_mean_and_spread_of_the_public_images_and_their_mirror_images():
    prior = fit_eigenfaces(PUBLIC.images)
    samples = prior.decode(prior.sample_latents(4000, generator(0, "test")))
    public = floats(PUBLIC.images)
    public = torch.cat([public, public.flip(3)])
    # but for the little that clipping to [0, 1] takes off the tails
    torch.testing.assert_close(samples.mean(0), public.mean(0), atol=0.04, rtol=0)
    assert float(samples.std(0).mean()) == pytest.approx(float(public.std(0).mean()), rel=0.1)
    assert samples.min() >= 0
    assert samples.max() <= 1


def test_eigenface_samples_covary_as_the_public_images_do():
    prior = fit_eigenfaces(PUBLIC.images, components=100)
    project = lambda images: (images - prior.mean).flatten(1) @ prior.basis[:5].T  # noqa: E731
    public = floats(PUBLIC.images)
    expected = torch.cov(project(torch.cat([public, public.flip(3)])).T)
    drawn = torch.cov(project(prior.decode(prior.sample_latents(4000, generator(0, "test")))).T)
    assert (drawn - expected).abs().max() < 0.15 * expected.max()


def test_eigenfaces_can_draw_the_public_images():
    prior = fit_eigenfaces(PUBLIC.images, components=500)
    public = floats(PUBLIC.images)
    torch.testing.assert_close(prior.decode(prior.encode(public)), public, atol=1e-3, rtol=0)


@pytest.mark.parametrize("components", [3, 500])
def test_eigenfaces_have_no_more_components_than_asked_for_or_known(components):
    prior = fit_eigenfaces(PUBLIC.images[:5], components=components)
    assert prior.latent_dim <= min(components, 2 * 5 - 1)
    gram = prior.basis @ prior.basis.T
    torch.testing.assert_close(gram, torch.eye(prior.latent_dim), atol=1e-4, rtol=0)


def explained(prior: EigenfacePrior, images: np.ndarray) -> float:
    """Share of the images' squared distance to the prior's mean that lies within its components."""
    centred = (floats(images) - prior.mean).flatten(1)
    return float((centred @ prior.basis.T).square().sum() / centred.square().sum())


def test_there_are_as_many_eigenfaces_as_people_need_whom_the_prior_was_not_made_from():
    everyone = procedural_banks(private=2, public=300, images=4, resolution=16, seed=3)[1]
    known = everyone.only(np.arange(250))
    prior = fit_eigenfaces(known.images, known.labels)
    strangers = everyone.only(np.arange(250, 300))
    assert explained(prior, strangers.images) == pytest.approx(0.99, abs=0.003)
    assert prior.latent_dim < 256
    assert explained(fit_eigenfaces(known.images, components=prior.latent_dim // 2), strangers.images) < 0.98


def test_few_public_images_are_moved_a_little_because_their_own_directions_draw_nobody_else():
    people = orl_bank(32)
    few, strangers = people.only(np.arange(10)), people.only(np.arange(10, 40))
    plain = fit_eigenfaces(few.images, components=10_000)
    assert plain.latent_dim <= 199
    assert explained(plain, strangers.images) < 0.85
    chosen = fit_eigenfaces(few.images, few.labels)
    assert explained(chosen, strangers.images) > 0.97


def test_small_moves_shift_enlarge_and_turn():
    image = torch.zeros(1, 1, 32, 32)
    image[0, 0, 10, 20] = 1.0
    place = lambda x: tuple(int(i) for i in (x[0, 0] == x.max()).nonzero()[0])  # noqa: E731
    assert place(moved(image, x=3 / 32, y=-2 / 32)) == (8, 23)
    assert place(moved(image, flip=True)) == (10, 11)
    assert place(moved(image, turn=math.pi / 2)) == (20, 21)
    blob = torch.zeros(1, 1, 32, 32)
    blob[..., 12:20, 12:20] = 1.0
    assert float(moved(blob, zoom=0.5).sum()) == pytest.approx(1.5**2 * 64, rel=0.1)
    torch.testing.assert_close(moved(blob), blob)


def test_the_randomised_components_of_large_images_are_the_exact_ones(monkeypatch):
    few = fit_eigenfaces(PUBLIC.images, components=12)
    monkeypatch.setattr(eigenface, "EXACT_PIXELS", 10)
    again = fit_eigenfaces(PUBLIC.images, components=12)
    torch.testing.assert_close(again.mean, few.mean)
    torch.testing.assert_close(again.scale, few.scale, rtol=0.02, atol=0)
    angles = torch.linalg.svdvals(again.basis[:8] @ few.basis.T)
    assert float(angles.min()) > 0.99


def test_samples_are_the_same_for_everybody():
    prior = fit_eigenfaces(PUBLIC.images)
    once, again, other = (render_samples(prior, 300, seed, CPU) for seed in (0, 0, 1))
    assert np.array_equal(once.images, again.images)
    assert not np.array_equal(once.images, other.images)
    assert once.images.dtype == np.uint8
    assert once.images.shape == (300, 1, 16, 16)
    rendered = (prior.decode(torch.from_numpy(once.latents)) * 255).round().numpy()
    assert np.array_equal(once.images, rendered.astype(np.uint8))


# ------------------------------------------------------------------------------------------------------ DCGAN


@pytest.mark.parametrize(("resolution", "channels"), [(16, 1), (28, 1), (32, 3), (64, 3), (100, 1)])
def test_a_dcgan_draws_images_of_any_size_and_tells_how_real_they_are(resolution, channels):
    prior = DCGANPrior(latent_dim=8, channels=channels, resolution=resolution, width=8)
    latents = prior.sample_latents(3, generator(0, "test")).requires_grad_(True)
    images = prior.decode(latents)
    assert images.shape == (3, channels, resolution, resolution)
    assert images.min() >= 0
    assert images.max() <= 1
    score = prior.realism(images)
    assert score.shape == (3,)
    assert ((score > 0) & (score < 1)).all()
    (gradient,) = torch.autograd.grad(score.sum() + images.sum(), latents)
    assert (gradient.abs().sum(1) > 0).all()


def test_training_depends_on_its_seed_alone():
    before = torch.get_rng_state()
    once, again, other = (train_dcgan(PUBLIC.images, QUICK, seed, CPU).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert any(not torch.equal(once[name], other[name]) for name in once)
    assert torch.equal(before, torch.get_rng_state())


def test_a_stored_dcgan_draws_the_same_images(tmp_path):
    prior = train_dcgan(PUBLIC.images, QUICK, 0, CPU)
    torch.save({"config": prior.config, "state": prior.state_dict()}, tmp_path / "gan.pt")
    stored = torch.load(tmp_path / "gan.pt", weights_only=True)
    copy = DCGANPrior(**stored["config"])
    copy.load_state_dict(stored["state"])
    latents = torch.randn(4, 8)
    # but for rounding: the memory format is not stored
    torch.testing.assert_close(prior.decode(latents), copy.decode(latents))
    images = floats(PUBLIC.images[:4])
    torch.testing.assert_close(prior.realism(images), copy.realism(images))


@pytest.mark.slow
def test_training_brings_the_samples_nearer_to_the_public_images():
    recipe = GanRecipe(steps=150, batch_size=16, latent_dim=8, width=16, generator_rate=1e-3, discriminator_rate=1e-3)
    public = floats(PUBLIC.images)

    def distance(prior: DCGANPrior) -> float:
        """Energy distance between samples and public images."""
        x, y = prior.decode(prior.sample_latents(96, generator(1, "test"))).flatten(1), public.flatten(1)
        return float(2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean())

    untrained = train_dcgan(PUBLIC.images, GanRecipe(steps=1, batch_size=16, latent_dim=8, width=16), 0, CPU)
    trained = train_dcgan(PUBLIC.images, recipe, 0, CPU)
    assert distance(trained) < 0.7 * distance(untrained)


@pytest.mark.parametrize("rate", [1e6, 1e30])
def test_a_dcgan_that_diverges_says_so(rate):
    recipe = GanRecipe(steps=30, batch_size=8, latent_dim=8, width=8, generator_rate=rate, discriminator_rate=rate)
    with pytest.raises(DivergedError, match="GAN"):
        train_dcgan(PUBLIC.images, recipe, 0, CPU)


def test_augmentation_passes_gradients_and_changes_every_image():
    images = floats(PUBLIC.images[:16]).requires_grad_(True)
    changed = diff_augment(images, generator(0, "test"))
    assert changed.shape == images.shape
    assert ((changed - images).abs().amax((1, 2, 3)) > 0.01).all()
    (gradient,) = torch.autograd.grad(changed.sum(), images)
    assert torch.isfinite(gradient).all()
    assert (gradient.abs().amax((1, 2, 3)) > 0.1).all()


def test_a_prior_that_was_trained_once_is_found_again(tmp_path, monkeypatch):
    changes = {
        "data.private": str(write_image_folder(make_bank(4, size=16), tmp_path / "private")),
        "data.public": str(write_image_folder(make_bank(6, size=16, seed=1), tmp_path / "public")),
        "prior.gan_steps": 3,
        "prior.samples": 20,
    }
    values = {"data": {"source": "folder", "resolution": 16}, "prior": {"kind": "dcgan"}, "attack": {"preset": "gmi"}}
    setup = make_setup(values, "test", changes)
    data = assets.load_data(setup, 0)
    once = assets.prepare_attacker(setup, data, 0, CPU)
    monkeypatch.setattr(assets, "train_dcgan", lambda *a: pytest.fail("trained again"))
    again = assets.prepare_attacker(setup, data, 0, CPU)
    assert once.ground.key == again.ground.key
    assert np.array_equal(once.ground.samples.images, again.ground.samples.images)
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        assets.prepare_attacker(make_setup(values, "test", changes | {"prior.gan_steps": 4}), data, 0, CPU)
