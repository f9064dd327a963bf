"""The comparisons of a confirmation: what is compared with what, under which attacks, and the shrinkage."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import synthetic_confirmation
from synthetic_confirmation import (
    RESAMPLES,
    law,
    reference,
    share,
    table,
    write_confirmation,
)

from analysis.statistics import load_confirmation
from analysis.statistics.comparisons import AUGMENTATION, EQUAL_ACCURACY, UNDER_AWARE_ATTACKS, compare
from analysis.statistics.evidence import draw_evidence
from analysis.statistics.shrinkage import shrinkage


def test_a_law_is_compared_with_its_control_under_what_both_met(evidence):
    one = next(c for c in compare(evidence) if c.question == EQUAL_ACCURACY and c.law == "trial 2")
    assert one.other == "no defence, stopped at epoch 12"
    assert one.attacks == ("ppa:4x", "taa:reduced")
    ours = max(evidence.attack("trial 2", attack).value for attack in one.attacks)
    theirs = max(evidence.attack(one.other, attack).value for attack in one.attacks)
    assert one.attack.value == pytest.approx(ours - theirs)
    assert one.below
    assert one.matched


def test_every_law_meets_no_defence_and_the_published_settings_but_not_itself(evidence):
    asked = {(c.question, c.law) for c in compare(evidence)}
    laws = {"MIDRE(0.1, 0.4)", "trial 2", "trial 4"}
    assert {law for question, law in asked if question == "no defence"} == laws
    assert {law for question, law in asked if question == "MIDRE(0.1, 0.4)"} == laws - {"MIDRE(0.1, 0.4)"}
    assert [(c.law, c.other) for c in compare(evidence) if c.question == AUGMENTATION] == [("trial 2", "Mixup 0.4")]


def test_p_values_are_corrected_for_the_laws_of_the_same_question(evidence):
    for question in (EQUAL_ACCURACY, "no defence", AUGMENTATION):
        family = sorted((c.claim for c in compare(evidence) if c.question == question), key=lambda c: c.p_value)
        least = 0.0
        for place, claim in enumerate(family):
            least = max(least, min(1.0, claim.p_value * (len(family) - place)))
            assert claim.corrected == pytest.approx(least)


def test_shrinkage_sets_the_same_attack_and_judge_side_by_side(confirmed_folder, evidence):
    found = shrinkage(evidence)
    assert (found.attack, found.judge) == ("ppa:reduced", "searching")
    row = next(row for row in found.rows if row.law == "trial 2")
    hits = table(confirmed_folder, "hits")
    confirmed = share(hits[(hits.point == "trial 2") & (hits.attack == "ppa:reduced")], "searching")
    assert row.attack.search.value == 0.60
    assert row.attack.change == pytest.approx(confirmed - 0.60)
    assert row.natural.change == pytest.approx(evidence.natural("trial 2").value - 0.92)
    searched = [row.attack.change for row in found.rows if row.law in ("trial 2", "trial 4")]
    assert found.mean_change("attack", True) == pytest.approx(np.mean(searched))
    assert found.mean_change("attack", False) is not None


def test_shrinkage_without_the_searchs_judge_or_attack_knows_natural_accuracy_alone(tmp_path):
    folder = write_confirmation(tmp_path / "known", judges={"second": 0.0}, ladder=())
    found = shrinkage(draw_evidence(load_confirmation(folder), RESAMPLES))
    assert found.judge is None
    assert found.mean_change("attack", True) is None
    assert found.mean_change("natural", True) is not None


def test_attackers_who_know_of_erasing_are_asked_by_themselves(tmp_path, monkeypatch):
    attacks = {"ppa:4x": 0.8, "taa:reduced": 0.8, "eot_re:reduced": 0.3}
    monkeypatch.setattr(synthetic_confirmation, "PORTFOLIO", tuple(attacks))
    points = (
        reference("no defence", 0.90, 0.90, 0),
        dataclasses.replace(reference("MIDRE(0.1, 0.4)", 0.90, 0.80, 1), attacks=attacks),
        dataclasses.replace(law("trial 2", 0.80, 0.30, trial=2), attacks=attacks | {"eot_re:reduced": 0.1}),
    )
    evidence = draw_evidence(load_confirmation(write_confirmation(tmp_path / "known", points, {})))
    found = {one.question: one for one in compare(evidence) if one.law == "trial 2"}
    knowing = found["MIDRE(0.1, 0.4)" + UNDER_AWARE_ATTACKS]
    assert knowing.attacks == ("eot_re:reduced",)
    assert knowing.attack.value == pytest.approx(-0.2, abs=0.02)
    assert found["MIDRE(0.1, 0.4)"].attack.value == pytest.approx(0, abs=0.02)
