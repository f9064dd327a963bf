"""The attack engine: what it optimises, what it counts, what it returns."""

import importlib
import inspect
import pkgutil
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from conftest import make_bank
from torch import nn

import mi_tune.attacks
from mi_tune.attacks import Attack, Ground, WhiteBox, make_attack, open_oracle
from mi_tune.attacks.constraints import Clamp
from mi_tune.attacks.inits import BestOfSamples, Normal
from mi_tune.attacks.selection import ByConfidence, MeanOverViews
from mi_tune.attacks.views import Identity, RandomCrop
from mi_tune.priors import fit_eigenfaces, render_samples
from mi_tune.runtime.errors import DivergedError, InputError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def ground() -> Ground:
    public = make_bank(20, seed=9).images
    prior = fit_eigenfaces(public)
    return Ground(prior, render_samples(prior, 300, 0, CPU), public, "key")


def white_box(target: nn.Module) -> WhiteBox:
    return open_oracle("white-box", target, CPU, 6)


def small(steps: int = 10, clamp: float = 3.0, **changes) -> Attack:
    attack = make_attack("ppa", "reduced")
    stages = (replace(attack.stages[0], steps=steps, constraint=Clamp(clamp)),)
    return replace(attack, **{"stages": stages, "candidates": 4, "keep": 2, **changes})


def test_the_attack_makes_the_target_surer_than_its_start_was(target, ground):
    classes = torch.arange(6)
    oracle = white_box(target)
    result = small(init=Normal()).run(oracle, ground, classes, seed=0)  # not the best samples: a low start
    own = torch.arange(6).repeat_interleave(2)
    before = oracle.confidence(result.start_images.flatten(0, 1)).gather(1, own[:, None]).mean()
    after = oracle.confidence(result.images.flatten(0, 1)).gather(1, own[:, None]).mean()
    assert before < 0.4
    assert after > before + 0.3
    assert result.images.shape == (6, 2, 1, 16, 16)
    assert result.images.dtype == torch.uint8


def test_every_image_through_the_target_is_counted(target, ground):
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

    attack = small(views=(RandomCrop(),) * 3)
    result = attack.run(white_box(Counting()), ground, torch.arange(6), seed=0)
    assert result.forward_passes == calls["forward"]
    assert result.backward_passes == calls["backward"] == 6 * 4 * 10 * 3
    assert attack.passes(6, 300, len(ground.public)) == (result.forward_passes, result.backward_passes)
    # the samples and their mirror images, the steps, and the views of the selection
    assert result.forward_passes == 2 * 300 + 6 * 4 * 10 * 3 + 6 * 4 * attack.selection.count


def test_the_target_is_frozen_and_unchanged(target, ground):
    before = {k: v.clone() for k, v in target.state_dict().items()}
    target.zero_grad(set_to_none=True)
    small().run(white_box(target), ground, torch.arange(6), seed=0)
    assert not any(p.requires_grad for p in target.parameters())
    assert all(p.grad is None for p in target.parameters())
    assert all(torch.equal(before[k], v) for k, v in target.state_dict().items())


def test_memory_bounded_parts_do_not_change_an_attack_without_random_views(target, ground):
    plain = small(views=(Identity(),))
    whole = plain.run(white_box(target), ground, torch.arange(6), seed=0)
    parts = replace(plain, batch_limit=5).run(white_box(target), ground, torch.arange(6), seed=0)
    assert torch.allclose(whole.latents, parts.latents, atol=1e-3)


def test_the_same_seed_gives_the_same_reconstructions_and_another_seed_others(target, ground):
    first, again, other = (
        small(init=Normal()).run(white_box(target), ground, torch.arange(6), seed=s) for s in (1, 1, 2)
    )
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)


def test_best_of_samples_starts_from_the_samples_that_score_highest(target, ground):
    oracle = white_box(target)
    start = BestOfSamples()(oracle, ground, torch.tensor([2, 4]), 3, seed=0)
    images = torch.from_numpy(ground.samples.images)
    score = (oracle.confidence(images) + oracle.confidence(images.flip(3)))[:, [2, 4]].numpy()
    for row, column in zip(start, score.T, strict=True):
        expected = ground.samples.latents[np.argsort(-column, kind="stable")[:3]]
        assert np.allclose(row.numpy(), expected)


def test_selection_returns_the_best_candidates_in_order(target, ground):
    attack = small(selection=ByConfidence(), steps=1)
    oracle = white_box(target)
    kept = attack.run(oracle, ground, torch.arange(6), seed=0)
    everything = replace(attack, keep=4).run(oracle, ground, torch.arange(6), seed=0)
    assert (everything.confidence.diff(dim=1) <= 0).all()
    assert torch.equal(kept.confidence, everything.confidence[:, :2])
    assert torch.equal(kept.images, everything.images[:, :2])


def test_mean_over_views_is_the_mean_of_the_confidences_in_those_views(target, ground):
    oracle, labels = white_box(target), torch.zeros(5, dtype=torch.long)
    images = torch.from_numpy(ground.samples.images[:5]).float() / 255
    rule = MeanOverViews(count=3)
    got = rule(oracle, images, labels, torch.Generator().manual_seed(0))
    random = torch.Generator().manual_seed(0)
    expected = sum(oracle.confidence(rule.view(images, random))[:, 0] for _ in range(3)) / 3
    assert torch.allclose(got, expected)


def test_latents_stay_within_the_clamp(target, ground):
    result = small(clamp=0.5, init=Normal()).run(white_box(target), ground, torch.arange(6), seed=0)
    assert result.latents.abs().max() <= 0.5


def test_a_prior_that_returns_nan_is_named(target, ground):
    class Broken(type(ground.prior)):
        def decode(self, latents, labels=None):
            return super().decode(latents) * float("nan")

    broken = Broken(ground.prior.mean, ground.prior.basis, ground.prior.scale)
    with pytest.raises(DivergedError, match="ppa"):
        small(views=(Identity(),)).run(white_box(target), replace(ground, prior=broken), torch.arange(6), seed=0)
    blind = replace(make_attack("mirror_blackbox", "reduced"), init=Normal())
    with pytest.raises(DivergedError, match="mirror_blackbox"):
        blind.run(open_oracle("soft-label", target, CPU), replace(ground, prior=broken), torch.arange(6), seed=0)


def test_an_attack_that_needs_a_discriminator_says_which_prior_has_one(target, ground):
    with pytest.raises(InputError, match="dcgan"):
        make_attack("gmi", "reduced").run(white_box(target), ground, torch.arange(6), seed=0)


def test_the_prior_loss_pulls_towards_what_the_discriminator_likes(target, ground):
    class Bright(nn.Module):
        def forward(self, images):
            return images.mean((1, 2, 3))

    realistic = type(ground.prior)(ground.prior.mean, ground.prior.basis, ground.prior.scale)
    realistic.realism = Bright()
    brightness = []
    for weight in (0.0, 1000.0):
        attack = small(prior_weight=weight, views=(Identity(),))
        images = attack.run(white_box(target), replace(ground, prior=realistic), torch.arange(6), seed=0).images
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
    view = RandomCrop(scale=(0.9, 1.0))
    assert parts["views"] == [
        {"kind": "RandomCrop", **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(view).items()}}
    ]
    (stage,) = parts["stages"]
    assert stage["optimiser"]["kind"] == "Adam"
    assert stage["optimiser"]["learning_rate"] > 0
    assert isinstance(make_attack("ppa", "full").views[0], RandomCrop)


def test_a_description_writes_repeated_parts_once_with_their_number():
    parts = make_attack("taa", "reduced").describe()
    crop = {"kind": "RandomCrop", "scale": [0.8, 1.0], "aspect": [0.9, 1.1], "flip": True, "rotation": 5.0}
    assert parts["views"] == {"times": 2, **crop}


def test_no_function_of_an_attack_takes_a_judge():
    found = 0
    for module in pkgutil.walk_packages(mi_tune.attacks.__path__, "mi_tune.attacks."):
        for _, part in inspect.getmembers(importlib.import_module(module.name)):
            owned = [part, *vars(part).values()] if inspect.isclass(part) else [part]
            for function in (p for p in owned if inspect.isfunction(p) and "mi_tune" in p.__module__):
                found += function.__module__.startswith("mi_tune.attacks")
                assert "judge" not in str(inspect.signature(function)).lower(), function
    assert found > 100


def test_merged_candidates_are_the_mean_of_their_latents(target, ground):
    classes = torch.arange(6)
    each = small(candidates=4, keep=4, selection=ByConfidence()).run(white_box(target), ground, classes, seed=0)
    merged = small(candidates=4, merge=4, keep=1, selection=ByConfidence())
    result = merged.run(white_box(target), ground, classes, seed=0)
    assert torch.allclose(result.latents[:, 0], each.latents.mean(1), atol=1e-5)
    drawn = ground.prior.decode(result.latents[:, 0])
    assert (result.images[:, 0].float() - drawn * 255).abs().max() <= 0.5 + 1e-3
    assert result.forward_passes <= merged.passes(6, len(ground.samples.latents)).forward


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidates": 4, "merge": 3}, "4 candidates cannot be averaged in groups of 3"),
        ({"candidates": 4, "merge": 4, "keep": 2}, "keeps 2 of only 1 candidates"),
        ({"candidates": 4, "merge": 2, "keep": 1, "best_stage": True}, "only latents at block 0 can be averaged"),
    ],
)
def test_candidates_that_cannot_be_merged_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        small(**changes)


def test_a_larger_budget_of_map_logit_averages_more_candidates_instead_of_more_steps():
    reduced, four = make_attack("map_logit", "reduced"), make_attack("map_logit", "4x")
    assert four.steps == reduced.steps
    assert (four.candidates, four.merge, four.keep) == (4 * reduced.candidates, 4, reduced.keep)
    assert four.passes(3, 50).backward == 4 * reduced.passes(3, 50).backward
