"""Attacks in crews and batches of bounded memory: the same result, the same counts, and a GPU that is too small."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from conftest import make_bank
from torch import nn

from mi_tune.attacks import Attack, Ground, crews, make_attack, open_oracle
from mi_tune.attacks.batching import Parts
from mi_tune.attacks.crews import Kept, best_of
from mi_tune.attacks.inits import Normal
from mi_tune.attacks.selection import ByConfidence
from mi_tune.attacks.tuning import PriorTuning
from mi_tune.attacks.views import Identity, RandomCrop
from mi_tune.priors import fit_eigenfaces, render_samples
from mi_tune.runtime.errors import InputError
from mi_tune.trial.attacked import halved

CPU = torch.device("cpu")
PEOPLE = torch.arange(6)


@pytest.fixture(scope="module")
def ground() -> Ground:
    public = make_bank(20, seed=9).images
    prior = fit_eigenfaces(public)
    return Ground(prior, render_samples(prior, 60, 0, CPU), public, "key")


def run(attack: Attack, target: nn.Module, ground: Ground):
    return attack.run(open_oracle(attack.access, target, CPU, 6), ground, PEOPLE, seed=0)


def without_draws(name: str, **changes) -> Attack:
    attack = make_attack(name, "reduced")
    stages = tuple(replace(stage, steps=4) for stage in attack.stages)
    calm = {"views": (Identity(),), "selection": ByConfidence(), "stages": stages, "candidates": 4, "keep": 2}
    return replace(attack, **calm, **changes)


def bytes_of(ground: Ground, people: int, deep: bool = False) -> int:
    """What the four candidates of so many people take: their images, or the state of what is optimised."""
    return people * 4 * 4 * max(256, crews.OPTIMISER_COPIES * (256 if deep else ground.prior.latent_dim))


@pytest.mark.parametrize("name", ["ppa", "ifgmi", "map_logit"])
@pytest.mark.parametrize("people", [1, 4])
def test_people_in_crews_get_what_they_get_together(name, people, target, ground, monkeypatch):
    attack = without_draws(name, merge=1)
    whole = run(attack, target, ground)
    monkeypatch.setattr("mi_tune.attacks.engine.CREW_BYTES", bytes_of(ground, people, deep=name == "ifgmi"))
    parts = run(attack, target, ground)
    assert torch.allclose(whole.latents, parts.latents, atol=1e-3)
    assert (whole.images.int() - parts.images.int()).abs().max() <= 1
    assert torch.allclose(whole.confidence, parts.confidence, atol=1e-3)
    assert torch.equal(whole.start_images, parts.start_images)
    assert (whole.forward_passes, whole.backward_passes) == (parts.forward_passes, parts.backward_passes)


def test_a_prior_is_tuned_on_the_same_best_results_of_all_people(target, ground, monkeypatch):
    attack, given = without_draws("ppdg"), []

    def tune(self, ground, images, latents, classes, score, seed):
        given.append((images, latents, score))
        return ground

    monkeypatch.setattr(PriorTuning, "tune", tune)
    results = [run(attack, target, ground)]
    monkeypatch.setattr("mi_tune.attacks.engine.CREW_BYTES", bytes_of(ground, 2))
    results.append(run(attack, target, ground))
    for whole, parts in zip(*given, strict=True):
        assert torch.allclose(whole, parts, atol=1e-3)
    assert given[0][0].shape[0] == 6 * min(attack.tuning.per_class, 4)
    assert torch.allclose(results[0].latents, results[1].latents, atol=1e-3)


def test_no_more_images_are_drawn_at_once_than_a_crew_has(target, ground, monkeypatch):
    attack = without_draws("ppa")
    monkeypatch.setattr("mi_tune.attacks.engine.CREW_BYTES", bytes_of(ground, 2))
    seen = []
    finish = type(ground.prior).finish
    monkeypatch.setattr(
        type(ground.prior),
        "finish",
        lambda self, hidden, *rest, **named: seen.append(len(hidden)) or finish(self, hidden, *rest, **named),
    )
    run(attack, target, ground)
    assert max(seen) == 2 * attack.candidates


def test_crews_with_random_views_give_the_same_result_again_and_each_its_own_draws(target, ground, monkeypatch):
    attack = replace(without_draws("ppa"), views=(RandomCrop(),), init=Normal())
    whole = run(attack, target, ground)
    monkeypatch.setattr("mi_tune.attacks.engine.CREW_BYTES", 1)
    one, again = run(attack, target, ground), run(attack, target, ground)
    assert torch.equal(one.images, again.images)
    assert not torch.equal(one.images, whole.images)


class Small(nn.Module):
    """A target on a GPU that holds `room` images."""

    def __init__(self, inner: nn.Module, room: int) -> None:
        super().__init__()
        self.inner, self.room, self.tried = inner, room, []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.requires_grad:
            self.tried.append(len(images))
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.inner(images)


def test_a_batch_that_does_not_fit_is_halved_once_for_the_whole_attack_and_it_is_said(target, ground, caplog):
    attack = without_draws("ppa")
    whole = run(attack, target, ground)
    oracle = open_oracle(attack.access, Small(target, 7), CPU, 6)
    result = attack.run(oracle, ground, PEOPLE, seed=0)
    tried = oracle._target.tried
    assert tried[:2] == [24, 12] and tried.count(24) == tried.count(12) == 1  # remembered in later steps
    assert max(tried[2:]) == 6
    assert torch.allclose(whole.latents, result.latents, atol=1e-3)
    assert (whole.forward_passes, whole.backward_passes) == (result.forward_passes, result.backward_passes)
    assert whole.batch is None and result.batch == 6
    assert "continuing with 6 rows at a time" in caplog.text
    assert halved([{"batch": None}, {"batch": 6}]) == {
        "reason": "a batch did not fit into the GPU's memory; attacked 6 images at a time"
    }
    assert halved([{"batch": None}, {}]) == {}
    assert halved([{"batch": None}], parts=2) == {
        "reason": "a batch did not fit into the GPU's memory; trained on each batch in 2 parts"
    }


def test_a_target_of_which_not_even_one_image_fits_is_one_line(target, ground):
    with pytest.raises(InputError, match="does not fit into the GPU's memory"):
        without_draws("ppa").run(open_oracle("white-box", Small(target, 0), CPU, 6), ground, PEOPLE, seed=0)


def test_the_better_of_two_rounds_is_what_one_look_at_all_results_finds():
    random = torch.Generator().manual_seed(0)
    for _ in range(30):
        scores = [torch.randint(0, 4, (5, 7), generator=random).float() for _ in range(2)]  # with many ties
        images = [torch.rand(35, 1, 2, 2, generator=random) for _ in range(2)]
        latents = [image.flatten(1) for image in images]
        one, two = (best_of(i, z, s, 3) for i, z, s in zip(images, latents, scores, strict=True))
        found = one.better_of(two, 3)
        better = (scores[1] > scores[0]).flatten()
        by_hand = torch.where(better[:, None, None, None], images[1], images[0])
        expected = best_of(by_hand, by_hand.flatten(1), torch.maximum(*scores), 3)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
        assert isinstance(found, Kept)


def test_a_limit_that_fell_stays_low():
    parts = Parts(8)
    sizes = []

    def work(rows: torch.Tensor) -> tuple[torch.Tensor]:
        sizes.append(len(rows))
        if len(rows) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return (rows,)

    for _ in range(2):
        assert torch.equal(parts(work, torch.arange(8.0))[0], torch.arange(8.0))
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2]
    assert parts.halved
