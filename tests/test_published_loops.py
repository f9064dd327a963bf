"""The transcribed attack loops find what the engine finds when it is given the same starts, budget and views."""

from dataclasses import dataclass, replace

import pytest
import torch
from conftest import make_bank
from torch import Tensor, nn

from mi_tune.attacks import Ground, WhiteBox, make_attack
from mi_tune.attacks.losses import poincare
from mi_tune.attacks.views import Identity
from mi_tune.nets import create_classifier
from mi_tune.priors import fit_eigenfaces, render_samples
from mi_tune.runtime.seeds import generator
from studies.benchmarks import published_loops

CPU = torch.device("cpu")
PEOPLE = torch.tensor([0, 2, 3])


@dataclass(frozen=True)
class From:
    """Given starts (classes, candidates, latent_dim)."""

    starts: Tensor
    access = "hard-label"

    def __call__(self, oracle, ground, classes, candidates, seed) -> Tensor:
        return self.starts

    def samples_needed(self, candidates: int) -> int:
        return 0


class Brightness(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))


@pytest.fixture
def target() -> nn.Module:
    return create_classifier("small_cnn", 4, 1, 16, seed=0).eval()


@pytest.fixture
def ground() -> Ground:
    bank = make_bank(12, seed=9)
    prior = fit_eigenfaces(bank.images)
    prior.realism = Brightness()
    return Ground(prior, render_samples(prior, 30, 0, CPU), bank.images, "key")


def engine_latents(attack, target: nn.Module, ground: Ground) -> dict[int, Tensor]:
    """Latents (classes, candidates, dim) after every step."""
    seen = {}
    shape = (len(PEOPLE), attack.candidates, ground.prior.latent_dim)
    note = lambda step, z: seen.update({step: z.view(shape).clone()})  # noqa: E731
    attack.run_scored(WhiteBox(target, CPU), ground, PEOPLE, 0, note)
    return seen


def test_gmi_as_published_takes_the_engines_path(target, ground):
    found = published_loops.gmi(target, ground.prior, PEOPLE, restarts=2, steps=8, noted=(1, 4, 8), seed=5)
    random = generator(5, "published gmi")
    starts = torch.stack([ground.prior.sample_latents(3, random) for _ in range(2)], 1)
    attack = make_attack("gmi", "reduced")
    attack = replace(attack, init=From(starts), candidates=2, stages=(replace(attack.stages[0], steps=8),))
    seen = engine_latents(attack, target, ground)
    for step in (1, 4, 8):
        assert torch.allclose(torch.stack(found.trace.latents[step], 1), seen[step], atol=2e-3)
    result = attack.run(WhiteBox(target, CPU), ground, PEOPLE, 0)
    assert torch.allclose(found.latents, result.latents, atol=2e-3)


def test_ppa_as_published_takes_the_engines_path_where_no_view_is_random(target, ground, monkeypatch):
    monkeypatch.setattr(published_loops.v2, "RandomResizedCrop", lambda *_, **__: nn.Identity())
    found = published_loops.ppa(
        target, ground.prior, PEOPLE, candidates=4, keep=2, steps=6, samples=40, views=1, noted=(1, 6), seed=5
    )
    drawn = ground.prior.sample_latents(40, generator(5, "published ppa"))
    with torch.no_grad():
        images = ground.prior.decode(drawn)
        sure = target(images).softmax(1) + target(images.flip(3)).softmax(1)
    starts = drawn[sure[:, PEOPLE].topk(4, dim=0).indices.T]
    attack = make_attack("ppa", "reduced")
    stage = replace(attack.stages[0], steps=6)
    attack = replace(attack, init=From(starts), candidates=4, keep=2, stages=(stage,), views=(Identity(),))
    seen = engine_latents(attack, target, ground)
    # Adam turns the rounding of a gradient near zero into a step of its own: some coordinates drift apart
    for step in (1, 6):
        apart = (torch.stack(found.trace.latents[step]) - seen[step]).abs().mean()
        assert apart < 0.02 * (seen[step] - starts).abs().mean()


def test_the_published_step_computes_weight_gradients_and_leaves_the_weights_alone(target, ground):
    before = [p.detach().clone() for p in target.parameters()]
    published_loops.gmi(target, ground.prior, PEOPLE, restarts=1, steps=2, noted=(), seed=0)
    assert all(p.grad is not None for p in target.parameters())
    assert all(torch.equal(p, b) for p, b in zip(target.parameters(), before, strict=True))


def test_the_distance_of_the_published_loop_is_the_engines_poincare_loss():
    logits, labels = torch.randn(50, 7, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 7
    assert torch.allclose(published_loops.poincare_distance(logits, labels), poincare(logits, labels), atol=1e-5)
