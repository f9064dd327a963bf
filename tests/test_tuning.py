"""Tuning a prior to what an attack found: what must move, and what must not."""

import copy

import numpy as np
import pytest
import torch
from conftest import make_bank

from mi_tune.attacks import Ground
from mi_tune.attacks.tuning import PriorTuning
from mi_tune.priors import ConditionalPrior, DCGANPrior, GanRecipe, PriorSamples, fit_eigenfaces, train_dcgan
from mi_tune.priors.base import Prior

CPU = torch.device("cpu")
PUBLIC = make_bank(12, images=6, size=16, seed=2).images
RULE = PriorTuning(per_class=2, steps=80, batch_size=8)


def dcgan() -> DCGANPrior:
    recipe = GanRecipe(steps=40, batch_size=8, latent_dim=8, width=8, average=0.9)
    return train_dcgan(PUBLIC, recipe, 0, CPU)


PRIORS = {"eigenface": lambda: fit_eigenfaces(PUBLIC, components=12), "dcgan": dcgan}


def ground_of(prior: Prior) -> Ground:
    empty = PriorSamples(np.zeros((0, prior.latent_dim), np.float32), np.zeros((0, 1, 16, 16), np.uint8))
    return Ground(prior, empty, PUBLIC, "key")


def found(prior: Prior) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """What a round may have found for two classes, three candidates each: images, latents, classes, scores."""
    latents = prior.sample_latents(6, torch.Generator().manual_seed(1))
    with torch.no_grad():
        images = prior.decode(latents, torch.zeros(6, dtype=torch.long))
    return images, latents, torch.tensor([0, 1]), torch.tensor([[0.9, 0.1, 0.5], [0.2, 0.8, 0.3]])


BEST = torch.tensor([0, 2, 4, 5])
"""Rows of the two best candidates of each class above."""


@pytest.mark.parametrize("kind", PRIORS)
def test_tuning_draws_the_best_images_from_the_shrunk_latents_and_leaves_the_others(kind):
    prior = PRIORS[kind]()
    images, latents, classes, score = found(prior)
    tuned = RULE.tune(ground_of(prior), images, latents, classes, score, 0).prior
    away = lambda p: (p.decode(latents[BEST] * RULE.shrink) - images[BEST]).abs().mean()  # noqa: E731
    others = prior.sample_latents(200, torch.Generator().manual_seed(9))
    with torch.no_grad():
        moved = (tuned.decode(others) - prior.decode(others)).abs().mean()
        between = (prior.decode(others) - prior.decode(others.roll(1, 0))).abs().mean()
        assert away(tuned) < 0.5 * away(prior)
        # others are less far from where they were than the wanted ones were brought, or than images are from each other
        assert moved < 0.9 * (away(prior) - away(tuned))
        assert moved < 0.25 * between


def test_without_the_weight_to_keep_them_other_images_follow():
    prior = dcgan()
    others = prior.sample_latents(200, torch.Generator().manual_seed(9))
    moved = []
    for weight in (0.5, 0.0):
        rule = PriorTuning(per_class=2, steps=80, batch_size=8, keep_weight=weight)
        tuned = rule.tune(ground_of(prior), *found(prior), 0).prior
        with torch.no_grad():
            moved.append(float((tuned.decode(others) - prior.decode(others)).abs().mean()))
    assert moved[0] < 0.7 * moved[1]


@pytest.mark.parametrize("kind", PRIORS)
def test_the_original_prior_and_the_discriminator_stay_as_they_were_and_nothing_asks_for_gradients(kind):
    prior = PRIORS[kind]()
    before = copy.deepcopy(prior.state_dict())
    ground = ground_of(prior)
    tuned = PriorTuning(steps=3).tune(ground, *found(prior), 0)
    after = tuned.prior.state_dict()
    assert tuned.samples is ground.samples
    assert all(torch.equal(v, before[k]) for k, v in prior.state_dict().items())
    assert any(not torch.equal(v, before[k]) for k, v in after.items())
    assert all(torch.equal(v, before[k]) for k, v in after.items() if k.startswith("realism"))
    for one in (prior, tuned.prior):
        assert not any(t.requires_grad for t in (*one.parameters(), *one.buffers()))


def test_tuning_follows_its_seed():
    prior = PRIORS["eigenface"]()
    first, again, other = (PriorTuning(steps=5).tune(ground_of(prior), *found(prior), s).prior.mean for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_conditional_prior_is_tuned_to_the_attacked_classes_and_not_to_their_positions():
    asked = []

    class Watched(ConditionalPrior):
        def decode(self, latents, labels=None):
            asked.append(labels)
            return super().decode(latents, labels)

    prior = Watched(8, 6, 1, 16, 8).eval().requires_grad_(False)
    images, latents, _, score = found(prior)
    asked.clear()
    PriorTuning(steps=4).tune(ground_of(prior), images, latents, torch.tensor([2, 5]), score, 0)
    assert set(torch.cat(asked).tolist()) == {2, 5}
