"""How long attacks are expected to take."""

from __future__ import annotations

import pytest

from mi_tune.attacks import make_attack
from mi_tune.attacks.students import RECIPE
from mi_tune.trial.estimate import Speed

SPEED = Speed(train_image=5.0, forward=1.0, backward=3.0)
PEOPLE, SAMPLES, PUBLIC = 10, 200, 100


def of(name: str) -> float:
    return SPEED.of_attack(make_attack(name, "reduced"), PEOPLE, SAMPLES, PUBLIC)


def test_an_attack_on_the_target_costs_its_passes():
    passes = make_attack("ppa", "reduced").passes(PEOPLE, SAMPLES, PUBLIC)
    assert of("ppa") == passes.forward - passes.backward + 3 * passes.backward


def test_students_are_trained_on_public_images_and_samples_and_followed_like_the_target():
    attack = make_attack("clean_student", "reduced")
    own = SPEED.of(attack.passes(PEOPLE, SAMPLES, PUBLIC))
    steps = attack.stages[0].steps * attack.candidates * PEOPLE * len(attack.views)
    lessons = RECIPE.epochs * (SAMPLES + PUBLIC)
    assert of("clean_student") == pytest.approx(own + 3 * (5 * lessons + 3 * steps))


def test_an_untrained_copy_is_one_student_and_a_portfolio_all_of_its_members():
    assert of("untrain_re") > of("ppa")
    members = make_attack("loss_portfolio", "reduced").members
    assert of("loss_portfolio") == sum(SPEED.of_attack(one, PEOPLE, SAMPLES, PUBLIC) for one in members)
