"""Students: they answer as the target does, cost what they ask, and are made once."""

import copy
from dataclasses import replace

import pytest
import torch
from conftest import make_bank
from torch import nn

from mi_tune.attacks import Ground, WhiteBox, open_oracle, students
from mi_tune.attacks.students import RECIPE, Students, TargetOnly, Untrained
from mi_tune.erasing import ErasingLaw
from mi_tune.nets import create_classifier
from mi_tune.nets.training import Recipe, Training
from mi_tune.priors import fit_eigenfaces, render_samples

CPU = torch.device("cpu")
CLASSES = 5
PRIVATE = make_bank(CLASSES, images=10)
QUICK = replace(RECIPE, epochs=2)


def trained(law: ErasingLaw | None = None) -> nn.Module:
    model = create_classifier("small_cnn", CLASSES, 1, 16, seed=0)
    law = law or ErasingLaw()
    run = Training(model, *PRIVATE.tensors(), torch.arange(50), Recipe(epochs=12, flip=False), 0, CPU, law)
    while not run.finished:
        run.train_epoch()
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def target() -> nn.Module:
    return trained()


@pytest.fixture(scope="module")
def ground() -> Ground:
    public = make_bank(16, images=6, seed=3).images
    prior = fit_eigenfaces(public, components=40)
    return Ground(prior, render_samples(prior, 300, 0, CPU), public, "key")


def everything(ground: Ground) -> torch.Tensor:
    return torch.cat([torch.from_numpy(ground.public), torch.from_numpy(ground.samples.images)])


def agreement(model: WhiteBox, oracle: WhiteBox, images: torch.Tensor) -> float:
    return float((model.labels(images) == oracle.labels(images)).float().mean())


@pytest.mark.slow
@pytest.mark.parametrize(("labels", "access"), [("soft", "soft-label"), ("hard", "hard-label")])
def test_a_student_learns_to_answer_as_the_target_does(target, ground, labels, access):
    oracle = open_oracle(access, target, CPU, CLASSES)
    # twice the epochs, for a tenth of the images
    rule = Students(("strided_cnn_slim",), labels=labels, recipe=replace(students.RECIPE, epochs=20))
    (student,) = rule.members(oracle, ground, CLASSES, seed=0)
    judge, images = WhiteBox(target, CPU), everything(ground)
    untaught = WhiteBox(create_classifier("strided_cnn_slim", CLASSES, 1, 16, seed=0), CPU)
    assert agreement(student, judge, images) > 0.85
    assert agreement(untaught, judge, images) < 0.5
    # also of the people whom it never saw: what it took over is the target's knowledge
    assert agreement(student, judge, torch.from_numpy(PRIVATE.images)) > 0.7


def test_a_student_of_soft_labels_is_taught_probabilities_and_one_of_hard_labels_decisions(target, ground, monkeypatch):
    taught = []

    class Watching(Training):
        def __init__(self, model, images, labels, *rest):
            taught.append(labels)
            super().__init__(model, images, labels, *rest)

    monkeypatch.setattr(students, "Training", Watching)
    images = everything(ground)
    for labels in ("soft", "hard"):
        rule = Students(("strided_cnn_slim",), labels=labels, recipe=replace(RECIPE, epochs=0))
        rule.members(open_oracle("white-box", target, CPU), ground, CLASSES, 0)
    oracle = WhiteBox(target, CPU)
    torch.testing.assert_close(taught[0], oracle.confidence(images))
    assert torch.equal(taught[1], oracle.labels(images))


@pytest.mark.parametrize(
    ("rule", "forward"),
    [
        (Students(("strided_cnn_slim",), recipe=QUICK), 96 + 300),
        (Students(("strided_cnn_slim",), recipe=QUICK, public=False), 300),
        (Students(("strided_cnn_slim",), recipe=QUICK, samples=False), 96),
        (Students(("strided_cnn_slim", "strided_cnn"), recipe=QUICK, samples=False, labels="hard"), 96),
        (Untrained(recipe=QUICK), 96 + 300),
        (TargetOnly(), 0),
    ],
)
def test_the_target_is_asked_once_about_every_image_whatever_the_number_of_students(target, ground, rule, forward):
    for _ in range(2):  # made, then found
        oracle = open_oracle("white-box", target, CPU, CLASSES)
        rule.members(oracle, ground, CLASSES, seed=0)
        assert (oracle.forward_passes, oracle.backward_passes) == (forward, 0)
    assert rule.passes(96, 300) == forward


@pytest.mark.parametrize("rule", [Students(("strided_cnn_slim",), recipe=QUICK), Untrained(recipe=QUICK)])
def test_what_was_trained_once_is_found_again(target, ground, rule, monkeypatch):
    make = lambda oracle, seed=0: rule.members(oracle, ground, CLASSES, seed)[0]  # noqa: E731
    once = make(WhiteBox(target, CPU))

    class Never:
        def __init__(self, *everything) -> None:
            raise AssertionError("trained again")

    monkeypatch.setattr(students, "Training", Never)
    again = make(WhiteBox(target, CPU))
    images = torch.from_numpy(ground.public)
    assert torch.equal(once.confidence(images), again.confidence(images))
    other = copy.deepcopy(target)
    with torch.no_grad():
        other.backbone.head.bias.add_(torch.randn(CLASSES))
    with pytest.raises(AssertionError, match="trained again"):
        make(WhiteBox(other, CPU))
    with pytest.raises(AssertionError, match="trained again"):
        make(WhiteBox(target, CPU), seed=1)


def test_the_target_is_among_the_models_where_it_was_asked_for_and_comes_first(target, ground):
    oracle = WhiteBox(target, CPU)
    alone = Students(("strided_cnn_slim",), recipe=QUICK, samples=False)
    found = replace(alone, with_target=True).members(oracle, ground, CLASSES, 0)
    assert found[0] is oracle
    assert len(found) == 2
    (student,) = alone.members(oracle, ground, CLASSES, 0)
    assert student is not oracle
    assert TargetOnly().members(oracle, ground, CLASSES, 0) == [oracle]


def test_students_need_the_access_that_their_labels_ask_for():
    assert Students(labels="hard").access == "hard-label"
    assert Students(labels="soft").access == "soft-label"
    assert Students(labels="hard", with_target=True).access == "white-box"


def test_untraining_changes_a_copy_and_leaves_the_target_as_it_is(target, ground):
    before = {k: v.clone() for k, v in target.state_dict().items()}
    oracle = WhiteBox(target, CPU)
    (changed,) = Untrained(recipe=QUICK).members(oracle, ground, CLASSES, 0)
    assert all(torch.equal(before[k], v) for k, v in target.state_dict().items())
    assert not any(p.requires_grad for p in target.parameters())
    assert changed.key != oracle.key


def test_an_untrained_copy_of_an_erasing_trained_target_has_its_knowledge_of_whole_images(ground):
    oracle = WhiteBox(trained(ErasingLaw(1.0, area=(0.4, 0.6), fill="black")), CPU)
    (changed,) = Untrained().members(oracle, ground, CLASSES, 0)
    assert agreement(changed, oracle, everything(ground)) > 0.8
    fresh = torch.from_numpy(render_samples(ground.prior, 300, 1, CPU).images)
    assert agreement(changed, oracle, fresh) > 0.8


def test_students_learn_images_as_the_target_saw_them():
    for recipe in (Students().recipe, Untrained().recipe):
        assert not recipe.flip
        assert recipe.shift == 0
