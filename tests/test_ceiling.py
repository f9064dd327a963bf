"""The prior's ceiling: drawings are the best that a prior can make, and judges are asked about them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mi_tune.attacks import Ground, make_attack
from mi_tune.attacks.constraints import Clamp, Free
from mi_tune.data import procedural_banks, split_each_identity
from mi_tune.judging import Estimate
from mi_tune.priors import Prior, ProceduralPrior, fit_eigenfaces, render_samples
from mi_tune.priors.drawing import draw
from mi_tune.trial.assets import StudyData
from mi_tune.trial.ceiling import ceiling_sentence, measure_ceilings

CPU = torch.device("cpu")
PRIVATE, PUBLIC, PEOPLE = procedural_banks(private=6, public=40, images=5, resolution=16, seed=0)
SPLIT = split_each_identity(PRIVATE, (0.4, 0.2, 0.4), seed=0)
DATA = StudyData(PRIVATE, PUBLIC, SPLIT, 0, PEOPLE)


def error(drawn: Tensor, images: Tensor) -> float:
    return float((drawn.float() - images.float()).square().mean())


def test_eigenfaces_draw_the_orthogonal_projection():
    prior = fit_eigenfaces(PUBLIC.images, components=20)
    images = torch.from_numpy(PRIVATE.images)
    drawn = draw(prior, images, Free().around, render_samples(prior, 50, 0, CPU), CPU)
    centred = images.flatten(1) / 255 - prior.mean.flatten()
    solution = np.linalg.lstsq(prior.basis.T.numpy(), centred.T.numpy(), rcond=None)[0]
    expected = (prior.mean.flatten() + torch.from_numpy(solution).T @ prior.basis).clamp(0, 1) * 255
    assert (drawn.flatten(1).float() - expected).abs().max() <= 0.51  # rounding to bytes


def test_no_latent_within_the_constraint_draws_better():
    prior = fit_eigenfaces(PUBLIC.images, components=10)
    images = torch.from_numpy(PRIVATE.images[:8])
    samples = render_samples(prior, 50, 0, CPU)
    exact = draw(prior, images, Clamp(0.5).around, samples, CPU)
    free = draw(prior, images, Free().around, samples, CPU)
    assert error(free, images) < error(exact, images)
    # the same prior without its formula: the search in latent space comes to the same drawings
    searched = draw(WithoutFormula(prior), images, Clamp(0.5).around, samples, CPU)
    assert (searched.int() - exact.int()).abs().float().mean() < 1


class WithoutFormula(Prior):
    name = "eigenface without its formula"

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior, self.latent_dim = prior, prior.latent_dim

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.prior.decode(latents)


def test_the_program_that_draws_the_faces_draws_each_person_as_that_person():
    prior, asked = ProceduralPrior(16), Recording()
    ground = Ground(prior, render_samples(prior, 50, 0, CPU), PUBLIC.images, "procedural")
    measure_ceilings(make_attack("ppa", "reduced"), ground, DATA, SPLIT.test, [asked], CPU)
    drawn = asked.shown[1][:, 0].float() / 255
    people = torch.from_numpy(PEOPLE)[torch.from_numpy(PRIVATE.labels[SPLIT.test])]
    expected = prior.decode(torch.special.ndtri(people.double().clamp(1e-6, 1 - 1e-6))).float()
    assert (drawn - expected).abs().max() < 0.01


class Nearest:
    """A judge that finds the person whose training images are nearest in pixels."""

    name, key, question, in_search, outside, learned = "nearest", "nearest", "who is it?", True, False, "all"
    held_out = Estimate(1.0, 1.0, 1.0)
    ceiling = np.ones(6)

    def hits(self, images: Tensor, classes: Tensor, device: torch.device) -> np.ndarray:
        train = PRIVATE.take(SPLIT.train)
        distance = torch.cdist(
            images.flatten(2).flatten(0, 1).float(), torch.from_numpy(train.images).flatten(1).float()
        )
        named = torch.from_numpy(train.labels)[distance.argmin(1)].view(images.shape[:2])
        return (named == classes[:, None]).numpy()


class Recording(Nearest):
    """The same judge, which keeps what it was shown."""

    key = "recording"

    def __init__(self) -> None:
        self.shown: list[Tensor] = []

    def hits(self, images: Tensor, classes: Tensor, device: torch.device) -> np.ndarray:
        self.shown.append(images)
        return super().hits(images, classes, device)


def test_judges_are_asked_about_the_photographs_and_about_their_drawings():
    judge, attack = Nearest(), make_attack("ppa", "reduced")
    found = {}
    for components in (1, 40):
        prior = fit_eigenfaces(PUBLIC.images, components=components)
        ground = Ground(prior, render_samples(prior, 50, 0, CPU), PUBLIC.images, f"eigenfaces {components}")
        (found[components],) = measure_ceilings(attack, ground, DATA, SPLIT.test, [judge], CPU)
    images, labels = torch.from_numpy(PRIVATE.images[SPLIT.test]), torch.from_numpy(PRIVATE.labels[SPLIT.test])
    direct = judge.hits(images[:, None], labels, CPU).mean()
    assert found[1].photographs.value == found[40].photographs.value == direct
    assert found[1].drawn.value < found[40].drawn.value
    assert found[40].photographs.low <= found[40].photographs.value <= found[40].photographs.high


def plain(drawn: float, seen: bool, judge: str) -> dict:
    ends = {
        f"{name}{end}": value
        for name, value in (("photographs", 0.9), ("drawn", drawn))
        for end in ("", "_low", "_high")
    }
    return {"judge": judge, "outside": not seen, "seen": seen, **ends}


def test_the_sentence_asks_the_judge_from_outside_and_says_what_a_low_ceiling_means():
    own, outside = plain(0.8, True, "own"), plain(0.3, False, "outside")
    assert "outside recognises them" in ceiling_sentence("eigenface", [own, outside])
    assert "says nothing about your model" in ceiling_sentence("eigenface", [own, outside])
    assert "trained on these photographs" in ceiling_sentence("eigenface", [own])
    assert "says nothing" not in ceiling_sentence("eigenface", [plain(0.8, False, "outside")])
    blind = plain(0.2, False, "outside") | {"photographs": 0.3}
    assert "hardly knows these people even from photographs" in ceiling_sentence("eigenface", [blind])
    assert "says nothing about your model" not in ceiling_sentence("eigenface", [blind]), (
        "strangers may be taken for them"
    )
    assert ceiling_sentence("eigenface", []) == ""
