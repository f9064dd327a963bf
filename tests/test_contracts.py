"""Every prior, loss, fill, location, defence and judge keeps its promises, and so can a user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from conftest import make_bank
from own_recognisers import Pixels

from mi_tune.attacks.contracts import check_identity_loss
from mi_tune.attacks.losses import LOSSES, margin
from mi_tune.data import split_each_identity
from mi_tune.defences.contracts import check_control
from mi_tune.defences.controls import CONTROLS, Control
from mi_tune.erasing import FILLS, LOCATIONS, ErasingLaw
from mi_tune.judging import JudgeRecipe, enrol, train_judge
from mi_tune.judging.contracts import check_judge
from mi_tune.judging.gallery import Embedding
from mi_tune.judging.panel import ClassifierJudge, GalleryJudge
from mi_tune.nets.training import Recipe
from mi_tune.priors import DCGANPrior, EigenfacePrior, Prior, ProceduralPrior, fit_eigenfaces
from mi_tune.priors.conditional import ConditionalPrior
from mi_tune.priors.contracts import check_prior_contract
from mi_tune.priors.kedmi import InversionPrior
from mi_tune.runtime.errors import InputError

CPU = torch.device("cpu")


def seeded(make):
    torch.manual_seed(0)
    return make().eval()


# ------------------------------------------------------------------------------------------------------------- priors

PRIORS = {
    "eigenface": lambda: fit_eigenfaces(make_bank(20, seed=9).images),
    "dcgan": lambda: DCGANPrior(8, 3, 16, 8),
    "wgan": lambda: DCGANPrior(8, 1, 16, 8, "wgan-gp"),
    "procedural": lambda: ProceduralPrior(16),
    "inversion": lambda: InversionPrior(8, 6, 1, 16, 8),
    "conditional": lambda: ConditionalPrior(8, 3, 1, 16, 8),
}


@pytest.mark.parametrize("make", PRIORS.values(), ids=PRIORS)
def test_every_prior_keeps_the_contract(make):
    check_prior_contract(seeded(make))


class Dull(EigenfacePrior):
    """A prior whose images depend on nothing; each subclass breaks one promise."""

    def __init__(self) -> None:
        whole = fit_eigenfaces(make_bank(20, seed=9).images)
        super().__init__(whole.mean, whole.basis, whole.scale)


class Restless(Dull):
    def finish(self, hidden, block, labels=None):
        return (super().finish(hidden, block, labels) + 0.01 * torch.rand(1)).clamp(0, 1)


class Crowded(Dull):
    def decode(self, latents, labels=None):
        return super().decode(latents - latents.mean(0))


class Deaf(Dull):
    def decode(self, latents, labels=None):
        return super().decode(latents.detach() + 0 * latents)


class Askew(Dull):
    def finish(self, hidden, block, labels=None):
        return super().finish(hidden, block, labels) * (1 if block else 0.5)

    def decode(self, latents, labels=None):
        return super().finish(self.advance(latents, 0), 1)


class Mistaken(Dull):
    def encode(self, images):
        return -super().encode(images)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Restless, "makes other images of the same latents"),
        (Crowded, "depends on the others of its batch"),
        (Deaf, "hands no gradient to its latents"),
        (Askew, "gives other images from block 0"),
        (Mistaken, "encodes its own images as latents of other images"),
    ],
)
def test_a_prior_that_breaks_a_promise_is_told_which(kind, message):
    with pytest.raises(InputError, match=f"{kind.__name__}: .*{message}"):
        check_prior_contract(seeded(kind))


# ------------------------------------------------------------------------------------------------------------- losses


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_every_identity_loss_keeps_the_contract(loss):
    check_identity_loss(loss)


def averaged(logits, labels):
    return margin(logits, labels).mean()


def centred(logits, labels):
    return margin(logits - logits.mean(0), labels)


def climbing(logits, labels):
    return -margin(logits, labels)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (averaged, r"averaged: gives \(\) for 12 images"),
        (centred, "centred: an image's value depends on the other images"),
        (climbing, "climbing: is no lower where the target is sure"),
    ],
)
def test_a_loss_that_breaks_a_promise_is_told_which(loss, message):
    with pytest.raises(InputError, match=message):
        check_identity_loss(loss)


# -------------------------------------------------------------------------------------------------- fills and locations


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fill", FILLS)
def test_every_fill_changes_erased_pixels_alone_and_bytes_as_floats(fill, channels):
    law = ErasingLaw(1.0, area=(0.2, 0.3), fill=fill).resolved(mean=(0.4,) * channels)
    images = torch.randint(0, 256, (8, channels, 24, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    kept = images.clone()
    erased, mask = law.erase(images, torch.Generator().manual_seed(1))
    hidden = mask.view(8, 1, 24, 24)
    assert torch.equal(images, kept)
    assert torch.equal(erased.masked_fill(hidden, 0), images.masked_fill(hidden, 0))
    assert 0.15 < hidden.float().mean() < 0.35
    as_floats = law(images.float() / 255, generator=torch.Generator().manual_seed(1))
    assert (as_floats * 255 - erased.float()).abs().max() < 1


@pytest.mark.parametrize("location", LOCATIONS)
def test_every_location_erases_one_part_of_the_image_of_the_law_s_size(location):
    law = ErasingLaw(1.0, area=(0.3, 0.3), aspect=(1.0, 1.0), fill="black", location=location)
    shares = law.mask(400, 32, 32, torch.Generator().manual_seed(0)).float().view(400, -1).mean(1)
    assert (shares > 0).all()
    if location == "overflow":
        assert shares.max() < 0.33 and shares.min() < 0.2  # the border cuts
    else:
        assert (shares - 0.3).abs().max() < 0.03


# ----------------------------------------------------------------------------------------------------------- defences


@pytest.mark.parametrize("kind", CONTROLS.values(), ids=CONTROLS)
def test_every_control_keeps_the_contract(kind):
    check_control(kind(kind.steps[1]))


@dataclass(frozen=True)
class Fading(Control):
    """A control of the user's own: every image nearer to grey."""

    kind: ClassVar[str] = "fading"
    title: ClassVar[str] = "fading"
    steps: ClassVar[tuple[float, float, float]] = (0.1, 0.2, 0.4)

    def __call__(self, images, labels, random):
        return images + self.strength * (0.5 - images) if self.strength else images, labels


class Overwriting(Fading):
    def __call__(self, images, labels, random):
        return images.mul_(1 - self.strength), labels


class Global(Fading):
    def __call__(self, images, labels, random):
        return images + self.strength * torch.rand_like(images), labels


class Stubborn(Fading):
    def __call__(self, images, labels, random):
        return images * 0.9, labels


class Renaming(Fading):
    def __call__(self, images, labels, random):
        return super().__call__(images, labels, random)[0], labels.flip(0)


def test_an_own_control_can_be_put_through_the_contract():
    check_control(Fading(0.2))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Overwriting, "writes to the images"),
        (Global, "draws from another generator"),
        (Stubborn, "changes images at strength 0"),
        (Renaming, "changes labels without saying"),
    ],
)
def test_a_control_that_breaks_a_promise_is_told_which(kind, message):
    with pytest.raises(InputError, match=f"{kind.__name__}: {message}"):
        check_control(kind(0.2))


# ------------------------------------------------------------------------------------------------------------- judges

BANK = make_bank(6, images=10)
SPLIT = split_each_identity(BANK, (0.6, 0.2, 0.2), 0)
SHOWN = torch.from_numpy(np.stack([BANK.images[BANK.labels == k][:3] for k in range(6)]))


def gallery():
    torch.manual_seed(0)
    return enrol(Embedding("pixels", (Pixels(features=32).eval(),), False, "pixels"), BANK, SPLIT, CPU)


@pytest.mark.parametrize("answer", ["rank-1", "rank-5", "TAR"])
def test_every_answer_of_a_gallery_keeps_the_contract_of_judges(answer):
    check_judge(GalleryJudge(gallery(), answer, outside=True), SHOWN)


@pytest.mark.parametrize("photographs", ["unseen", "all"])
def test_every_classifier_keeps_the_contract_of_judges(photographs):
    recipe = JudgeRecipe("strided_cnn", Recipe(epochs=2), photographs)
    judge = train_judge(BANK, SPLIT, recipe, 0, CPU)
    check_judge(ClassifierJudge("cnn", judge, in_search=True), SHOWN)


@dataclass(frozen=True)
class Sloppy(GalleryJudge):
    def hits(self, images, classes, device):
        return super().hits(images, classes, device).mean(1)


@dataclass(frozen=True)
class Comparing(GalleryJudge):
    def hits(self, images, classes, device):
        answers = super().hits(images, classes, device)
        answers[0] = False
        return answers


@dataclass(frozen=True)
class Boasting(GalleryJudge):
    @property
    def ceiling(self):
        return np.ones(3)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Sloppy, r"Sloppy: answers with \(6,\), not truth values \(6, 3\)"),
        (Comparing, "Comparing: judges an image by the others that it is shown"),
        (Boasting, "Boasting: has no accuracy on real images for each class"),
    ],
)
def test_a_judge_that_breaks_a_promise_is_told_which(kind, message):
    with pytest.raises(InputError, match=message):
        check_judge(kind(gallery(), "rank-1", outside=True), SHOWN)


def test_priors_are_all_put_through_the_contract():
    kinds = {type(seeded(make)) for make in PRIORS.values()}
    abstract_or_the_user_s = {"UserPrior", "ImportedPrior", "StylePrior"}

    def below(kind: type) -> set[type]:
        return {kind, *(one for child in kind.__subclasses__() for one in below(child))}

    ours = {one for one in below(Prior) - {Prior} if one.__module__.startswith("mi_tune.priors")}
    assert {one.__name__ for one in ours - kinds} <= abstract_or_the_user_s
