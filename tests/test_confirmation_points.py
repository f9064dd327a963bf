"""Which points a confirmation chooses, what they are matched to, and which jobs follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import make_bank

from mi_tune.attacks import make_attack
from mi_tune.confirmation.jobs import AttackJob, BaselineJob, JobCost, JudgesJob, TargetJob, work_on
from mi_tune.confirmation.matching import match_augmentations, match_stops
from mi_tune.confirmation.plan import Plan
from mi_tune.confirmation.points import Lineup, candidate_controls, choose_points
from mi_tune.data import split_each_identity
from mi_tune.defences.registry import read_mix
from mi_tune.defences.treatment import CONTROL_NAMES, Treatment
from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup
from mi_tune.trial.assets import StudyData
from mi_tune.trial.attempts import attempt_of, check_attacks
from mi_tune.trial.estimate import Speed
from mi_tune.trial.point import Point, stopped
from mi_tune.trial.table import table_of

MEAN = (0.4,)
LAW = Point("a", "front", Treatment(ErasingLaw(1.0)))


def _trials(*rows: tuple[float, float], half: float = 0.05) -> pd.DataFrame:
    """No defence at (1, 1), then one trial a row of natural and attack accuracy, intervals of +-half."""
    records = [
        {
            "trial": number,
            "state": "complete",
            "reference": "no defence" if number == 0 else "",
            "law": (NO_DEFENCE if number == 0 else ErasingLaw(0.5, fill="mean")).to_dict(),
            "natural_accuracy": natural,
            "attack_accuracy": attack,
            "attack_accuracy_low": attack - half,
            "attack_accuracy_high": attack + half,
        }
        for number, (natural, attack) in enumerate([(1.0, 1.0), *rows])
    ]
    return table_of(records)


def _chosen(points: list[Point]) -> dict[int | None, str]:
    return {point.trial: point.kind for point in points if point.kind != "reference"}


def test_every_reference_point_is_confirmed_also_those_that_the_study_lacks():
    points = choose_points(_trials(), MEAN, 4)
    assert [p.name for p in points] == [
        "no defence",
        "MIDRE(0.1, 0.4)",
        "MIDRE(0.1, 0.8)",
        "Zhong et al.",
        "torchvision default",
    ]
    assert points[0].trial == 0 and points[1].trial is None


def test_the_front_comes_before_what_is_near_it():
    trials = _trials((0.9, 0.5), (0.8, 0.3), (0.85, 0.52), (0.7, 0.9))
    assert _chosen(choose_points(trials, MEAN, 3)) == {1: "front", 2: "front", 3: "near front"}


def test_a_trial_whose_interval_does_not_reach_the_front_is_not_near_it():
    trials = _trials((0.9, 0.5), (0.85, 0.7), half=0.1)
    assert _chosen(choose_points(trials, MEAN, 5)) == {1: "front"}


def test_of_a_long_front_those_are_kept_that_dominate_most_together():
    # two corners far apart, and a twin of the first that adds next to nothing
    trials = _trials((0.95, 0.6), (0.5, 0.1), (0.94, 0.599))
    assert set(_chosen(choose_points(trials, MEAN, 2))) == {1, 2}


def test_the_law_of_a_point_is_the_trials_with_its_fill_resolved():
    point = choose_points(_trials((0.9, 0.5)), MEAN, 1)[-1]
    assert point.treatment == Treatment(ErasingLaw(0.5, fill=(0.4,)))


def test_a_study_without_an_undefended_trial_cannot_be_confirmed():
    trials = _trials((0.9, 0.5))
    with pytest.raises(InputError, match="no complete trial without defence"):
        choose_points(trials[trials.reference == ""], MEAN, 1)


def test_a_law_is_matched_by_the_epoch_whose_accuracy_is_nearest():
    laws = [Point("no defence", "reference", Treatment()), Point("a", "front", Treatment(ErasingLaw(1.0)))]
    curve = np.array([0.1, 0.5, 0.8, 0.9, 1.0])
    found, controls = match_stops(laws, {"no defence": 1.0, "a": 0.78}, curve)
    assert found == {"a": stopped(3)}
    assert controls == [stopped(3)]


def test_a_law_that_is_no_less_accurate_than_no_defence_is_matched_by_no_defence_itself():
    laws = [Point("a", "front", Treatment(ErasingLaw(1.0)))]
    found, controls = match_stops(laws, {"a": 0.97}, np.array([0.5, 0.96]))
    assert found == {"a": None} and controls == []


def test_laws_that_are_matched_by_the_same_epoch_share_one_control():
    laws = [Point(name, "front", Treatment(ErasingLaw(1.0))) for name in ("a", "b")]
    found, controls = match_stops(laws, {"a": 0.79, "b": 0.81}, np.array([0.5, 0.8, 1.0]))
    assert found["a"] == found["b"] and len(controls) == 1


def _lineup() -> Lineup:
    mix = Treatment(ErasingLaw(1.0), defences=read_mix("bido:a1=0.05,a2=0.5"))
    laws = [Point("no defence", "reference", Treatment()), Point("midre", "reference", Treatment(ErasingLaw(0.5)))]
    return Lineup([*laws, Point("trial 7", "front", mix, 7)], {"mixup": [Point("weak", "augmentation", Treatment())]})


def test_a_mix_is_also_trained_and_attacked_without_each_of_its_parts():
    laws = ["no defence", "midre", "trial 7"]
    less = ["trial 7 without BiDO (HSIC) 0.05, 0.5", "trial 7 without random erasing"]
    lineup = _lineup()
    assert [point.name for point in lineup.trained] == [*laws, *less, "weak"]
    assert [point.name for point in lineup.attacked([stopped(3)])] == [*laws, *less, stopped(3).name]
    assert {name: [point.name for point in some] for name, some in lineup.parts.items()} == {"trial 7": less}
    assert [point.treatment.mix for point in lineup.parts["trial 7"]] == ["", "bido:a1=0.05,a2=0.5"]


def test_the_time_is_foreseen_for_a_stop_of_each_defended_law_and_a_strength_of_each_augmentation():
    assert len(_lineup().foreseen) == 3 + 2 + 2 + 1


def test_augmentations_are_matched_to_the_best_searched_law_or_else_to_the_last_defended_reference_point():
    lineup = _lineup()
    assert lineup.best.name == "trial 7"
    assert replace(lineup, laws=lineup.laws[:2]).best.name == "midre"
    assert lineup.undefended.name == "no defence"


def test_of_each_augmentation_the_strength_nearest_in_accuracy_is_kept():
    candidates = candidate_controls(MEAN)
    assert set(candidates) == set(CONTROL_NAMES)
    accuracy = {step.name: 0.9 - 0.1 * k for steps in candidates.values() for k, step in enumerate(steps)}
    kept = match_augmentations(candidates, accuracy, 0.79)
    assert kept == [steps[1] for steps in candidates.values()]


def test_attacks_are_named_with_their_budget():
    assert check_attacks(["ppa", "taa:4x", "ppa:reduced"]) == ("ppa:reduced", "taa:4x")


@pytest.mark.parametrize(("attack", "said"), [("pqa", "ppa"), ("ppa:huge", "unknown budget 'huge'")])
def test_an_unknown_attack_or_budget_is_one_line_with_the_way_out(attack, said):
    with pytest.raises(InputError, match=said):
        check_attacks([attack])


def test_laws_meet_everything_and_controls_what_they_are_compared_by():
    plan = Plan(2, portfolio=("taa:reduced",), ladder=("ppa:reduced", "ppa:16x"), controls=("map_logit:4x",))
    law, control = Point("a", "front", Treatment(ErasingLaw(1.0))), stopped(3)
    assert set(plan.attacks_on(law)) == {"map_logit:4x", "taa:reduced", "ppa:reduced", "ppa:16x"}
    assert plan.attacks_on(control) == ["map_logit:4x"]
    assert plan.seen_in_features(law) == ["map_logit:4x"]
    assert plan.seen_in_features(control) == []
    assert replace(plan, features=False).seen_in_features(law) == []


def test_judges_and_every_prior_are_made_once():
    plan = Plan(2, portfolio=("lomma:reduced", "taa:reduced"), ladder=("ppa:reduced", "ppa:4x"), controls=("ppa:4x",))
    *priors, judges = plan.preparing("eigenface")
    assert judges == JudgesJob()
    assert {attempt_of(job.attack, "eigenface").prior for job in priors} == {"eigenface", "dcgan"}
    assert len(priors) == 2


def test_long_attacks_begin_first_and_every_target_has_its_baselines():
    plan = Plan(1, portfolio=("ppa:reduced", "ppa:full"), ladder=(), controls=())
    jobs = plan.attacking([LAW])
    assert jobs == [
        *(AttackJob(LAW, 0, attack) for attack in ("ppa:full", "ppa:reduced")),
        *(BaselineJob(LAW, 0, name) for name in ("best prior samples", "nearest public images")),
    ]


def test_a_job_says_what_it_is_about_and_how_long_it_takes():
    speed = Speed(train_image=0.01, forward=0.001, backward=0.002)
    bank = make_bank(6)
    data = StudyData(bank, make_bank(4, seed=1), split_each_identity(bank, (0.6, 0.2, 0.2), 0), 0)
    cost = JobCost(make_setup({"target": {"epochs": 7}}, "test"), data, speed)
    whole, stopped_early = TargetJob(LAW, 1), TargetJob(stopped(3), 0)
    assert whole.title == "a, seed 2: training"
    assert whole.seconds(cost) == pytest.approx(7 * len(data.split.train) * 0.01)
    assert stopped_early.seconds(cost) == pytest.approx(3 * len(data.split.train) * 0.01)
    attacks = [AttackJob(LAW, number, "ppa:reduced") for number in range(3)]
    passes = make_attack("ppa", "reduced").passes(6, 2000)
    assert cost.of(attacks) == pytest.approx(3 * speed.of(passes))


def test_a_job_without_a_result_tells_its_reason():
    class Bench:
        setup = make_setup({}, "test")

        def attack(self, point, attempt, number):
            return {"reason": "its prior has no discriminator"}

    assert work_on(Bench(), AttackJob(LAW, 0, "ppa:reduced")) == {"reason": "its prior has no discriminator"}
