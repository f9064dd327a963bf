"""The attack engine: what it optimises, what it counts, what it returns."""

import dataclasses
import math
import sys

import numpy as np
import pytest
import torch
from conftest import make_bank
from torch import nn

from mi_tune.attacks import Attack, WhiteBox, make_attack
from mi_tune.attacks.inits import BestOfSamples, Normal
from mi_tune.attacks.losses import cross_entropy, poincare
from mi_tune.attacks.optimisers import Adam, Momentum
from mi_tune.attacks.selection import ByConfidence, MeanOverViews
from mi_tune.attacks.views import Identity, RandomCrop
from mi_tune.errors import DivergedError, InputError
from mi_tune.nets import create_classifier
from mi_tune.priors import fit_eigenfaces, render_samples
from mi_tune.priors.base import Prior
from mi_tune.training import Recipe, Training

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def target() -> nn.Module:
    bank = make_bank(6, images=10)
    model = create_classifier("small_cnn", 6, 1, 16, seed=0)
    run = Training(model, *bank.tensors(), torch.arange(60), Recipe(epochs=12, flip=False), 0, CPU)
    while not run.finished:
        run.train_epoch()
    return model


@pytest.fixture(scope="module")
def prior() -> Prior:
    return fit_eigenfaces(make_bank(20, seed=9).images)


@pytest.fixture(scope="module")
def samples(prior):
    return render_samples(prior, 300, 0, CPU)


def small(**changes) -> Attack:
    return dataclasses.replace(make_attack("ppa", "reduced"), **{"steps": 10, "candidates": 4, "keep": 2, **changes})


def test_poincare_equals_the_hyperbolic_distance_written_out_in_numpy():
    logits, labels = np.array([[2.0, -1.0, 0.5], [0.1, 3.0, -2.0]]), [0, 2]
    got = poincare(torch.tensor(logits), torch.tensor(labels)).numpy()
    for row, label, value in zip(logits, labels, got, strict=True):
        u = row / np.abs(row).sum()
        v = np.zeros(3)
        v[label] = 0.9999
        ratio = ((u - v) ** 2).sum() / ((1 - (u**2).sum()) * (1 - (v**2).sum()))
        assert value == pytest.approx(math.acosh(1 + 2 * ratio), rel=1e-6)


def test_poincare_still_pulls_where_cross_entropy_has_stopped():
    logits = torch.tensor([[40.0, 0.0, -5.0]], requires_grad=True)
    label = torch.tensor([0])
    (flat,) = torch.autograd.grad(cross_entropy(logits, label).sum(), logits)
    (pull,) = torch.autograd.grad(poincare(logits, label).sum(), logits)
    assert flat.abs().max() < 1e-6 < 1e-3 < pull.abs().max()


def test_the_attack_makes_the_target_surer_than_its_start_was(target, prior, samples):
    classes = torch.arange(6)
    oracle = WhiteBox(target, CPU)
    result = small().run(oracle, prior, samples, classes, seed=0)
    own = torch.arange(6).repeat_interleave(2)
    before = oracle.confidence(result.start_images.flatten(0, 1)).gather(1, own[:, None]).mean()
    after = oracle.confidence(result.images.flatten(0, 1)).gather(1, own[:, None]).mean()
    assert after > before + 0.05 or after > 0.99
    assert result.images.shape == (6, 2, 1, 16, 16)
    assert result.images.dtype == torch.uint8


def test_every_image_through_the_target_is_counted(target, prior, samples):
    calls = {"forward": 0, "backward": 0}

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = target

        def forward(self, x):
            calls["forward"] += len(x)
            if x.requires_grad:
                x.register_hook(lambda grad: calls.__setitem__("backward", calls["backward"] + len(grad)))
            return self.inner(x)

    attack = small(views=3)
    result = attack.run(WhiteBox(Counting(), CPU), prior, samples, torch.arange(6), seed=0)
    assert result.forward_passes == calls["forward"]
    assert result.backward_passes == calls["backward"] == 6 * 4 * 10 * 3
    # the samples and their mirror images, the steps, and the views of the selection
    assert result.forward_passes == 2 * 300 + 6 * 4 * 10 * 3 + 6 * 4 * attack.selection.count


def test_the_target_is_frozen_and_unchanged(target, prior, samples):
    before = {k: v.clone() for k, v in target.state_dict().items()}
    target.zero_grad(set_to_none=True)
    small().run(WhiteBox(target, CPU), prior, samples, torch.arange(6), seed=0)
    assert not any(p.requires_grad for p in target.parameters())
    assert all(p.grad is None for p in target.parameters())
    assert all(torch.equal(before[k], v) for k, v in target.state_dict().items())


def test_memory_bounded_parts_do_not_change_an_attack_without_random_views(target, prior, samples):
    plain = small(view=Identity())
    whole = plain.run(WhiteBox(target, CPU), prior, samples, torch.arange(6), seed=0)
    parts = dataclasses.replace(plain, batch_limit=5).run(
        WhiteBox(target, CPU), prior, samples, torch.arange(6), seed=0
    )
    assert torch.allclose(whole.latents, parts.latents, atol=1e-3)


def test_the_same_seed_gives_the_same_reconstructions_and_another_seed_others(target, prior, samples):
    first, again, other = (
        small(init=Normal()).run(WhiteBox(target, CPU), prior, samples, torch.arange(6), seed=s) for s in (1, 1, 2)
    )
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)


def test_best_of_samples_starts_from_the_samples_that_score_highest(target, prior, samples):
    oracle = WhiteBox(target, CPU)
    start = BestOfSamples()(oracle, prior, samples, torch.tensor([2, 4]), 3, seed=0)
    images = torch.from_numpy(samples.images)
    score = (oracle.confidence(images) + oracle.confidence(images.flip(3)))[:, [2, 4]].numpy()
    for row, column in zip(start, score.T, strict=True):
        expected = samples.latents[np.argsort(-column, kind="stable")[:3]]
        assert np.allclose(row.numpy(), expected)


def test_selection_returns_the_best_candidates_in_order(target, prior, samples):
    attack = small(selection=ByConfidence(), steps=1)
    oracle = WhiteBox(target, CPU)
    kept = attack.run(oracle, prior, samples, torch.arange(6), seed=0)
    everything = dataclasses.replace(attack, keep=4).run(oracle, prior, samples, torch.arange(6), seed=0)
    assert (everything.confidence.diff(dim=1) <= 0).all()
    assert torch.equal(kept.confidence, everything.confidence[:, :2])
    assert torch.equal(kept.images, everything.images[:, :2])


def test_mean_over_views_is_the_mean_of_the_confidences_in_those_views(target, samples):
    oracle, labels = WhiteBox(target, CPU), torch.zeros(5, dtype=torch.long)
    images = torch.from_numpy(samples.images[:5]).float() / 255
    rule = MeanOverViews(count=3)
    got = rule(oracle, images, labels, torch.Generator().manual_seed(0))
    random = torch.Generator().manual_seed(0)
    expected = sum(oracle.confidence(rule.view(images, random))[:, 0] for _ in range(3)) / 3
    assert torch.allclose(got, expected)


def test_momentum_follows_the_published_update():
    z = torch.tensor([[1.0, -2.0]])
    mover = Momentum(learning_rate=0.1, momentum=0.9).start(z)
    position, velocity = np.array([[1.0, -2.0]]), np.zeros((1, 2))
    for gradient in (np.array([[0.5, 1.0]]), np.array([[-1.0, 2.0]]), np.array([[0.3, 0.3]])):
        mover.step(torch.tensor(gradient, dtype=torch.float32))
        previous, velocity = velocity, 0.9 * velocity - 0.1 * gradient
        position = position - 0.9 * previous + 1.9 * velocity
    assert np.allclose(z.numpy(), position, atol=1e-6)


def test_no_candidate_moves_another():
    together, alone = torch.tensor([[1.0], [5.0]]), torch.tensor([[1.0]])
    for rule in (Adam(), Momentum()):
        a, b = together.clone(), alone.clone()
        joint, single = rule.start(a), rule.start(b)
        for _ in range(3):
            joint.step(torch.tensor([[0.2], [9.0]]))
            single.step(torch.tensor([[0.2]]))
        assert torch.allclose(a[0], b[0])


def test_latents_stay_within_the_clamp(target, prior, samples):
    result = small(clamp=0.5, init=Normal()).run(WhiteBox(target, CPU), prior, samples, torch.arange(6), seed=0)
    assert result.latents.abs().max() <= 0.5


def test_a_prior_that_returns_nan_is_named(target, prior, samples):
    class Broken(type(prior)):
        def decode(self, latents):
            return super().decode(latents) * float("nan")

    broken = Broken(prior.mean, prior.basis, prior.scale)
    with pytest.raises(DivergedError, match="ppa"):
        small(view=Identity()).run(WhiteBox(target, CPU), broken, samples, torch.arange(6), seed=0)


def test_an_attack_that_needs_a_discriminator_says_which_prior_has_one(target, prior, samples):
    with pytest.raises(InputError, match="dcgan"):
        make_attack("gmi", "reduced").run(WhiteBox(target, CPU), prior, samples, torch.arange(6), seed=0)


def test_the_prior_loss_pulls_towards_what_the_discriminator_likes(target, prior, samples):
    class Bright(nn.Module):
        def forward(self, images):
            return images.mean((1, 2, 3))

    realistic = type(prior)(prior.mean, prior.basis, prior.scale)
    realistic.realism = Bright()
    brightness = []
    for weight in (0.0, 1000.0):
        attack = small(prior_weight=weight, view=Identity())
        images = attack.run(WhiteBox(target, CPU), realistic, samples, torch.arange(6), seed=0).images
        brightness.append(images.float().mean())
    assert brightness[1] > brightness[0] + 5


@pytest.mark.parametrize(("name", "budget", "hint"), [("pppa", "reduced", "ppa"), ("ppa", "huge", "full")])
def test_an_unknown_attack_or_budget_is_one_line_with_what_is_known(name, budget, hint):
    with pytest.raises(InputError, match=hint):
        make_attack(name, budget)


def test_a_full_budget_is_larger_than_a_reduced_one():
    for name in ("ppa", "gmi"):
        reduced, full = make_attack(name, "reduced"), make_attack(name, "full")
        assert full.steps * full.candidates > 2 * reduced.steps * reduced.candidates


def test_attacks_cannot_reach_a_judge():
    import subprocess

    code = "import sys, mi_tune.attacks; print(any('judging' in m for m in sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_a_description_names_every_part_with_its_parameters():
    parts = make_attack("ppa", "reduced").describe()
    assert parts["init"]["kind"] == "BestOfSamples"
    assert parts["view"] == {"kind": "RandomCrop", **dataclasses.asdict(make_attack("ppa", "reduced").view)}
    assert parts["optimiser"]["learning_rate"] > 0
    assert isinstance(make_attack("ppa", "full").view, RandomCrop)
