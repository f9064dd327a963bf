"""GANs that are trained against a target: their losses, what they ask of it, and that it steers them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from conftest import make_bank, write_image_folder
from torch import nn

from mi_tune.nets.class_gan import AuxiliaryDiscriminator, ClassDiscriminator, ProjectionDiscriminator
from mi_tune.priors import (
    ConditionalPrior,
    DCGANPrior,
    GanRecipe,
    InversionGanRecipe,
    InversionPrior,
    PseudoLabelGanRecipe,
    TacGanRecipe,
    kedmi,
    plgmi,
    pseudo_labels,
    train_dcgan,
    train_inversion_gan,
    train_pseudo_label_gan,
    train_tacgan,
    wgan_recipe,
)
from mi_tune.priors.dcgan import unit_gradient_penalty
from mi_tune.priors.gan_training import GanTraining, hinge, squared_gradient
from mi_tune.runtime.errors import DivergedError, InputError
from mi_tune.runtime.seeds import generator
from mi_tune.setup import make_setup
from mi_tune.trial import assets

CPU = torch.device("cpu")
CLASSES = 4
PUBLIC = make_bank(CLASSES, images=12, size=16)
TINY = {"steps": 3, "batch_size": 8, "latent_dim": 8, "width": 8}
SHORT = {"batch_size": 16, "latent_dim": 8, "width": 8, "generator_rate": 1e-3, "discriminator_rate": 1e-3}


class NearestPattern:
    """A target that knows each identity's mean image: logits are minus squared distances. Counts what it is asked."""

    def __init__(self) -> None:
        images = torch.from_numpy(PUBLIC.images).float() / 255
        self.patterns = torch.stack([images[PUBLIC.labels == k].mean(0) for k in range(CLASSES)])
        self.asked: list[torch.Tensor] = []

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        self.asked.append(images.detach())
        return -((images[:, None] - self.patterns).square().sum((2, 3, 4)))

    def hard_label(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits(images).argmax(1)

    def margin(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        logits = self.logits(images)
        others = logits.masked_fill(nn.functional.one_hot(labels, CLASSES).bool(), -torch.inf)
        return others.amax(1) - logits.gather(1, labels[:, None])[:, 0]

    @property
    def images_asked(self) -> int:
        return sum(len(images) for images in self.asked)


def confidence() -> torch.Tensor:
    return NearestPattern().logits(torch.from_numpy(PUBLIC.images).float() / 255).softmax(1)


def train_kedmi(seed: int = 0, **changes) -> InversionPrior:
    return train_inversion_gan(PUBLIC.images, confidence(), InversionGanRecipe(**TINY | changes), seed, CPU)


def train_plgmi(seed: int = 0, target: NearestPattern | None = None, **changes) -> ConditionalPrior:
    rows, labels = pseudo_labels(confidence(), per_class=6)
    margin = (target or NearestPattern()).margin
    recipe = PseudoLabelGanRecipe(**TINY | changes)
    return train_pseudo_label_gan(PUBLIC.images[rows], labels, CLASSES, margin, recipe, seed, CPU)


def train_lokt(seed: int = 0, target: NearestPattern | None = None, **changes) -> ConditionalPrior:
    hard_label = (target or NearestPattern()).hard_label
    return train_tacgan(PUBLIC.images, hard_label, CLASSES, TacGanRecipe(**TINY | changes), seed, CPU)


def train_wgan(seed: int = 0, **changes) -> DCGANPrior:
    return train_dcgan(PUBLIC.images, dataclasses.replace(wgan_recipe(), **TINY | changes), seed, CPU)


TRAINERS = [train_kedmi, train_plgmi, train_lokt, train_wgan]


def obedience(prior: ConditionalPrior) -> float:
    """Share of samples that the target gives the label they were drawn for."""
    labels = torch.arange(CLASSES).repeat(50)
    drawn = prior.decode(prior.sample_latents(len(labels), generator(5, "test")), labels)
    return float((NearestPattern().hard_label(drawn) == labels).float().mean())


# ------------------------------------------------------------------------------------------------------- losses


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(x))


def log_sum_exp(x: np.ndarray) -> np.ndarray:
    return np.log(np.exp(x).sum(1))


def test_kedmi_discriminator_loss_is_the_papers():
    rng = np.random.default_rng(0)
    labelled, unlabelled, fake = rng.normal(size=(3, 6, CLASSES))
    answers = rng.dirichlet(np.ones(CLASSES), 6)
    learnt = -np.mean([answers[i] @ (labelled[i] - log_sum_exp(labelled)[i]) for i in range(6)])
    real, made = log_sum_exp(unlabelled), log_sum_exp(fake)
    expected = learnt + 0.5 * (softplus(real).mean() - real.mean() + softplus(made).mean())
    tensors = [torch.from_numpy(x) for x in (labelled, answers, unlabelled, fake)]
    assert float(kedmi.discriminator_loss(*tensors)) == pytest.approx(expected)


def test_kedmi_generator_matches_mean_features_and_is_sure_of_its_class():
    rng = np.random.default_rng(0)
    made, wanted, logits = rng.normal(size=(6, 10)), rng.normal(size=(9, 10)), rng.normal(size=(6, CLASSES))
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = np.abs(made.mean(0) - wanted.mean(0)).mean() + 0.3 * -(share * np.log(share)).sum()
    loss = kedmi.generator_loss(*(torch.from_numpy(x) for x in (made, wanted, logits)), entropy=0.3)
    assert float(loss) == pytest.approx(expected)


def test_minus_the_realism_of_kedmi_is_its_prior_loss():
    prior = InversionPrior(latent_dim=8, classes=CLASSES, channels=1, resolution=16, width=8)
    images = torch.rand(5, 1, 16, 16)
    size = log_sum_exp(prior.realism.discriminator(images).detach().double().numpy())
    np.testing.assert_allclose(-prior.realism(images).detach().numpy(), softplus(size) - size, rtol=1e-4)


def test_hinge_loss_asks_for_a_margin_of_one_on_either_side():
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.0, 1.0])
    assert float(hinge(real, fake)) == pytest.approx((0 + 0.5 + 2) / 3 + (0 + 1 + 2) / 3)


def test_gradient_penalties_of_a_linear_score_are_known():
    slope = torch.zeros(1, 16, 16)
    slope[0, 0, :2] = torch.tensor([3.0, 4.0])
    images = torch.rand(7, 1, 16, 16)
    score = lambda x: (x * slope).sum((1, 2, 3))  # noqa: E731
    assert float(squared_gradient(score, images)) == pytest.approx(25)
    assert float(unit_gradient_penalty(score, images)) == pytest.approx(16)


def test_wgan_gp_holds_the_critics_slope_near_one():
    def slope(prior: DCGANPrior) -> float:
        images = (torch.from_numpy(PUBLIC.images).float() / 255).requires_grad_(True)
        (gradient,) = torch.autograd.grad(prior.realism(images).sum(), images)
        return float(gradient.flatten(1).norm(dim=1).mean())

    changes = SHORT | {"steps": 25, "critic_updates": 5}
    held, free = train_wgan(**changes), train_wgan(**changes, penalty=0.0)
    assert 0.2 < slope(held) < 2
    assert slope(free) > 2 * slope(held)


def test_the_realism_of_a_wasserstein_critic_is_its_score():
    prior = DCGANPrior(latent_dim=8, channels=1, resolution=16, width=8, loss="wgan-gp")
    images = torch.rand(5, 1, 16, 16)
    torch.testing.assert_close(prior.realism(images), prior.realism.discriminator(images))


# -------------------------------------------------------------------------------------------------------- nets


@pytest.mark.parametrize(("resolution", "channels"), [(16, 1), (28, 3), (64, 1)])
def test_a_conditional_prior_draws_another_image_for_another_label(resolution, channels):
    prior = ConditionalPrior(latent_dim=8, classes=3, channels=channels, resolution=resolution, width=8)
    latents = prior.sample_latents(1, generator(0, "test")).expand(3, -1)
    images = prior.decode(latents, torch.arange(3))
    assert images.shape == (3, channels, resolution, resolution)
    assert images.min() >= 0
    assert images.max() <= 1
    assert (images[0] - images[1]).abs().max() > 1e-3
    torch.testing.assert_close(prior.decode(latents, torch.zeros(3, dtype=torch.int64)), images[:1].expand_as(images))


def test_a_conditional_prior_asks_for_labels():
    prior = ConditionalPrior(latent_dim=8, classes=3, channels=1, resolution=16, width=8)
    with pytest.raises(InputError, match="label"):
        prior.decode(torch.zeros(2, 8))


def test_every_discriminator_judges_each_image_by_itself():
    images, labels = torch.rand(6, 1, 16, 16), torch.arange(6) % CLASSES
    classes, projection, auxiliary = (
        kind(1, 16, 8, CLASSES) for kind in (ClassDiscriminator, ProjectionDiscriminator, AuxiliaryDiscriminator)
    )
    torch.testing.assert_close(classes(images)[:2], classes(images[:2]))
    torch.testing.assert_close(projection(images, labels)[:2], projection(images[:2], labels[:2]))
    score, logits = auxiliary(images)
    assert score.shape == (6,)
    assert logits.shape == (6, CLASSES)
    torch.testing.assert_close(score[:2], auxiliary(images[:2])[0])
    assert (projection(images, labels) - projection(images, labels.roll(1))).abs().max() > 1e-4


# --------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize("train", TRAINERS)
def test_training_depends_on_its_seed_alone(train):
    before = torch.get_rng_state()
    once, again, other = (train(seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert any(not torch.equal(once[name], other[name]) for name in once)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("train", TRAINERS)
def test_a_stored_prior_draws_the_same_images(train, tmp_path):
    prior = train()
    torch.save({"config": prior.config, "state": prior.state_dict()}, tmp_path / "gan.pt")
    stored = torch.load(tmp_path / "gan.pt", weights_only=True)
    copy = type(prior)(**stored["config"])
    copy.load_state_dict(stored["state"])
    latents, labels = torch.randn(4, 8), torch.arange(4)
    # but for rounding: the memory format is not stored
    torch.testing.assert_close(prior.decode(latents, labels), copy.decode(latents, labels))
    assert (copy.channels, copy.resolution, copy.conditional) == (1, 16, isinstance(prior, ConditionalPrior))
    if prior.realism is not None:
        images = torch.rand(4, 1, 16, 16)
        torch.testing.assert_close(prior.realism(images), copy.realism(images))


def test_the_targets_term_rises_over_the_warm_up_and_stays():
    recipe = PseudoLabelGanRecipe(steps=100)
    training = GanTraining(PUBLIC.images, nn.Identity(), nn.Identity(), recipe, 0, CPU)
    weights = []
    for training.step in (0, 25, 50, 99):
        weights.append(training.ramp(0.5))
    assert weights == [0, 0.5, 1, 1]
    training.step = 0
    assert training.ramp(0.0) == 0
    training.step = 1
    assert training.ramp(0.0) == 1


@pytest.mark.parametrize("train", TRAINERS)
def test_a_gan_that_diverges_says_so(train):
    with pytest.raises(DivergedError, match="GAN"):
        train(steps=30, generator_rate=1e30, discriminator_rate=1e30)


# ------------------------------------------------------------------------------------------------------ KED-MI


def test_kedmi_teaches_its_discriminator_the_targets_answers():
    images = torch.from_numpy(PUBLIC.images).float() / 255
    prior = train_kedmi(**SHORT | {"steps": 60})
    learnt = prior.realism.discriminator(images).argmax(1)
    assert float((learnt == confidence().argmax(1)).float().mean()) > 0.9


def test_kedmi_needs_one_answer_per_public_image():
    with pytest.raises(InputError, match="soft labels"):
        train_inversion_gan(PUBLIC.images, confidence()[1:], InversionGanRecipe(**TINY), 0, CPU)


# ------------------------------------------------------------------------------------------------------ PLG-MI


def test_pseudo_labels_are_each_class_s_surest_images_in_order():
    known = torch.tensor([[0.7, 0.3], [0.2, 0.8], [0.9, 0.1], [0.7, 0.3], [0.4, 0.6]])
    rows, labels = pseudo_labels(known, per_class=3)
    # images 0 and 3 tie: the first wins
    assert rows.tolist() == [2, 0, 3, 1, 4, 0]
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_pseudo_labels_take_no_more_images_than_there_are():
    rows, labels = pseudo_labels(torch.tensor([[0.7, 0.3], [0.2, 0.8]]))
    assert rows.tolist() == [0, 1, 1, 0]
    assert labels.tolist() == [0, 0, 1, 1]


def test_plgmi_asks_the_target_about_one_batch_a_step_in_pixel_space():
    target = NearestPattern()
    train_plgmi(target=target, steps=5, batch_size=8)
    assert target.images_asked == 5 * 8
    assert all(float(images.min()) >= 0 and float(images.max()) <= 1 for images in target.asked)


def test_the_view_of_the_target_changes_every_image_and_passes_gradients():
    images = (torch.from_numpy(PUBLIC.images).float() / 255).requires_grad_(True)
    seen = plgmi.target_view(images, generator(0, "test"))
    assert seen.shape == images.shape
    assert ((seen - images).abs().amax((1, 2, 3)) > 0.01).all()
    (gradient,) = torch.autograd.grad(seen.sum(), images)
    assert (gradient.abs().amax((1, 2, 3)) > 0.1).all()


def test_the_discriminator_never_meets_the_targets_view(monkeypatch):
    monkeypatch.setattr(plgmi, "target_view", lambda images, random: images)
    plain = train_plgmi(inversion=0.0).state_dict()
    monkeypatch.setattr(plgmi, "target_view", lambda images, random: images * 0)
    blank = train_plgmi(inversion=0.0).state_dict()
    assert all(torch.equal(plain[name], blank[name]) for name in plain)


@pytest.mark.parametrize("labels", [np.zeros(3, np.int64), np.full(48, CLASSES), np.full(48, -1)])
def test_plgmi_needs_one_label_of_a_class_per_image(labels):
    with pytest.raises(InputError, match="one label"):
        train_pseudo_label_gan(
            PUBLIC.images, labels, CLASSES, NearestPattern().margin, PseudoLabelGanRecipe(**TINY), 0, CPU
        )


@pytest.mark.slow
@pytest.mark.parametrize("inversion", [0.0, 0.2])
def test_plgmi_draws_what_the_target_calls_the_label(inversion):
    # either teacher suffices on patterns: pseudo-labels alone, and with the target's loss
    assert obedience(train_plgmi(**SHORT | {"steps": 250}, inversion=inversion)) > 0.8


@pytest.mark.slow
def test_the_inversion_loss_steers_where_pseudo_labels_say_nothing():
    def train(inversion: float) -> float:
        rng = np.random.default_rng(0)
        rows, labels = np.arange(48).repeat(CLASSES), np.tile(np.arange(CLASSES), 48)
        recipe = PseudoLabelGanRecipe(**TINY | SHORT | {"steps": 250}, inversion=inversion)
        shuffled = rng.permutation(len(rows))
        data = PUBLIC.images[rows[shuffled]], labels[shuffled]
        return obedience(train_pseudo_label_gan(*data, CLASSES, NearestPattern().margin, recipe, 0, CPU))

    assert train(0.0) < 0.5
    assert train(0.2) > 0.8


# -------------------------------------------------------------------------------------------------------- LOKT


def test_lokt_asks_the_target_about_the_fakes_of_each_update_of_the_discriminator():
    target = NearestPattern()
    train_lokt(target=target, steps=5, batch_size=8, critic_updates=2)
    assert target.images_asked == 5 * 2 * 8
    assert not any(images.requires_grad for images in target.asked)


@pytest.mark.slow
def test_lokt_draws_what_the_target_calls_the_label_from_hard_labels_alone():
    assert obedience(train_lokt(**SHORT | {"steps": 250})) > 0.8
    assert obedience(train_lokt(**SHORT | {"steps": 250}, classifier=0.0)) < 0.5


# ------------------------------------------------------------------------------------------- WGAN-GP as a prior


def test_a_wgan_prior_is_trained_once_and_never_mistaken_for_a_dcgan(tmp_path, monkeypatch):
    changes = {
        "data.private": str(write_image_folder(make_bank(4, size=16), tmp_path / "private")),
        "data.public": str(write_image_folder(make_bank(6, size=16, seed=1), tmp_path / "public")),
        "prior.gan_steps": 2,
        "prior.samples": 20,
    }
    values = {"data": {"source": "folder", "resolution": 16}, "prior": {"kind": "wgan"}, "attack": {"preset": "gmi"}}
    setup = make_setup(values, "test", changes)
    assets.check_names(setup)
    data = assets.load_data(setup, 0)
    once = assets.prepare_attacker(setup, data, 0, CPU)
    assert once.ground.prior.config["loss"] == "wgan-gp"
    dcgan = assets.prepare_attacker(make_setup(values, "test", changes | {"prior.kind": "dcgan"}), data, 0, CPU)
    assert dcgan.ground.key != once.ground.key
    assert dcgan.ground.prior.config["loss"] == "logistic"
    monkeypatch.setattr(assets, "train_dcgan", lambda *a: pytest.fail("trained again"))
    again = assets.prepare_attacker(setup, data, 0, CPU)
    assert again.ground.key == once.ground.key
    assert np.array_equal(again.ground.samples.images, once.ground.samples.images)


def test_the_recipe_of_a_setup_is_that_of_its_kind():
    make = lambda **prior: assets.gan_recipe(make_setup({"prior": prior}, "test"))  # noqa: E731
    assert make(kind="dcgan") == GanRecipe()
    assert make(kind="wgan") == wgan_recipe()
    assert make(kind="wgan", gan_steps=7) == dataclasses.replace(wgan_recipe(), steps=7)
