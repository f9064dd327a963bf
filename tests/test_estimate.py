"""How long attacks are expected to take."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from conftest import folder_setup

from mi_tune.attacks import make_attack
from mi_tune.attacks.students import RECIPE
from mi_tune.trial.assets import load_data
from mi_tune.trial.estimate import SUGGESTION_SECONDS, Estimate, Speed, estimate

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


def test_a_study_is_rounds_of_trials_each_after_its_suggestion():
    whole = Estimate(trial_seconds=10.0, prepare_seconds=6.0, trial_megabytes=1.0, suggestion_seconds=2.0)
    assert whole.study_seconds(7, 1) == 6 + 7 * 12
    assert whole.study_seconds(7, 3) == 6 / 3 + 3 * 12
    # many workers wait for one sampler
    assert whole.study_seconds(100, 100) == 6 / 100 + 100 * 2
    quick = dataclasses.replace(whole, suggestion_seconds=0.0)
    assert quick.study_seconds(100, 100) == 6 / 100 + 10


def test_the_estimate_knows_which_sampler_is_slow(tmp_path: Path):
    setup = folder_setup(tmp_path, epochs=1)
    data = load_data(setup, 0)
    for sampler, seconds in (("gp", SUGGESTION_SECONDS["gp"]), ("nehvi", 0.0)):
        search = setup.search.model_copy(update={"sampler": sampler})
        found = estimate(setup.model_copy(update={"search": search}), data, torch.device("cpu"))
        assert found.suggestion_seconds == seconds


def test_the_estimate_counts_the_time_of_a_recogniser(tmp_path: Path):
    file = Path(__file__).with_name("own_recognisers.py")
    setup = folder_setup(tmp_path / "images", epochs=1)
    slow = setup.model_copy(update={"judge": setup.judge.model_copy(update={"recogniser": f"{file}:Slow"})})
    data = load_data(setup, 0)
    without, with_it = (estimate(one, data, torch.device("cpu")).trial_seconds for one in (setup, slow))
    kept = data.private.identities * min(make_attack(setup.attack.preset, "reduced").keep, 4)
    assert with_it - without > 0.5 * kept * 0.05
