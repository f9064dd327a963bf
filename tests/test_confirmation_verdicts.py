"""The words that a confirmation ends in, and the sentences around them."""

from __future__ import annotations

import dataclasses

import pytest
from synthetic_confirmation import (
    POINTS,
    RESAMPLES,
    STOPS,
    Known,
    law,
    reference,
    said,
    share,
    stop,
    table,
    write_confirmation,
)

from analysis.statistics import load_confirmation
from analysis.statistics.comparisons import EQUAL_ACCURACY, compare
from analysis.statistics.evidence import draw_evidence
from analysis.statistics.shrinkage import shrinkage
from analysis.statistics.verdict import judge_law, verdicts


@pytest.mark.parametrize(
    ("below", "strongest", "undefended", "flattened", "word"),
    [
        (True, 0.50, 0.90, True, "protects"),
        (True, 0.51, 0.90, True, "slows"),
        (True, 0.50, 0.90, False, "slows"),
        (True, 0.50, 0.90, None, "slows"),
        (False, 0.20, 0.90, True, "does not help"),
        ("alone", 0.20, 0.90, True, "undecided"),
        (None, 0.20, 0.90, True, "undecided"),
        (True, None, 0.90, True, "undecided"),
    ],
)
def test_the_rule_of_the_words(below, strongest, undefended, flattened, word):
    below, alone = (False, True) if below == "alone" else (below, bool(below))
    found, reason = judge_law(below, alone, strongest, undefended, 0.1, flattened)
    assert found == word
    assert bool(reason) == (word != "protects")


def changed(name: str, **fields) -> tuple[Known, ...]:
    """The usual points with one of them changed."""
    return tuple(dataclasses.replace(p, **fields) if p.name == name else p for p in POINTS)


def replaced(known: Known) -> tuple[Known, ...]:
    return tuple(known if p.name == known.name else p for p in POINTS)


@pytest.mark.parametrize(
    ("points", "word", "reason"),
    [
        (POINTS, "protects", ""),
        (replaced(stop(12, 0.80, 0.30)), "does not help", "not significantly below"),
        (replaced(law("trial 2", 0.80, 0.60, trial=2)), "slows", "more than half as many"),
        (replaced(law("trial 2", 0.80, 0.45, ladder=0.15, trial=2)), "slows", "a larger budget still identifies more"),
        (changed("no defence, stopped at epoch 12", attacks={}), "undecided", "no attack ran on both"),
    ],
)
def test_the_word_flips_where_the_data_says_so(tmp_path, points, word, reason):
    verdict = said(tmp_path, points)["trial 2"]
    assert verdict.word == word
    assert reason in verdict.reason


def test_a_quick_confirmation_without_a_ladder_cannot_say_protects(tmp_path):
    verdict = said(tmp_path, POINTS, ladder=())["trial 2"]
    assert (verdict.word, verdict.reason) == ("slows", "no budget ladder was run")


def test_without_controls_laws_are_compared_with_no_defence(tmp_path):
    points = tuple(point for point in POINTS if point.kind in ("reference", "front"))
    found = said(tmp_path, points, dict.fromkeys(STOPS, "no defence"))
    assert found["trial 2"].word == "protects"
    assert "No undefended model of equal accuracy was found" in found["trial 2"].sentence
    assert "10.0 points more accurate" in found["trial 2"].sentence


def test_the_sentence_holds_the_numbers_of_the_evidence(evidence):
    sentence = next(v.sentence for v in verdicts(evidence, compare(evidence)) if v.law == "trial 2")

    def number(estimate):
        return f"{estimate.value:.0%} [{100 * estimate.low:.0f}, {100 * estimate.high:.0f}]"

    kept = evidence.natural("trial 2").value / evidence.natural("no defence").value
    control = evidence.strongest("no defence, stopped at epoch 12").drawn.estimate
    assert sentence.startswith(f"Keeps {kept:.1%} of natural accuracy. The strongest attack tried (ppa 16x, one seed)")
    assert f"identifies {number(evidence.strongest('trial 2').drawn.estimate)} of people" in sentence
    assert f"instead of {number(evidence.strongest('no defence').drawn.estimate)}" in sentence
    theirs = f"the strongest of ppa 4x and taa identifies {number(control)}"
    assert f"With an undefended model of equal accuracy, {theirs}; with this law, " in sentence


def test_a_control_that_does_not_match_is_said_not_to(tmp_path):
    sentence = said(tmp_path, replaced(stop(12, 0.70, 0.80)))["trial 2"].sentence
    rows = table(tmp_path / "study", "natural")
    ours, theirs = (share(rows[rows.point == name], "correct") for name in ("trial 2", STOPS["trial 2"]))
    nearest = f"With the nearest undefended model, which is {100 * (ours - theirs):.1f} points less accurate"
    assert f"No undefended model of equal accuracy was found. {nearest}" in sentence


def test_a_law_that_only_the_correction_lifts_to_its_control_is_undecided(evidence):
    doubtful = [
        dataclasses.replace(one, claim=dataclasses.replace(one.claim, p_value=0.03, corrected=0.12, significant=False))
        if one.question == EQUAL_ACCURACY and one.law == "trial 2"
        else one
        for one in compare(evidence)
    ]
    verdict = next(verdict for verdict in verdicts(evidence, doubtful) if verdict.law == "trial 2")
    assert verdict.word == "undecided"
    assert "p = 0.03, corrected 0.12" in verdict.reason


def test_no_defence_is_given_no_verdict(evidence):
    assert "no defence" not in {verdict.law for verdict in verdicts(evidence, compare(evidence))}


def test_each_judge_has_its_own_word(tmp_path):
    # one judge sees 35 points more in everything
    judges = {"searching": 0.0, "second": 0.0, "embedding": 0.35}
    points = replaced(law("trial 2", 0.80, 0.25, trial=2))
    evidence = draw_evidence(
        load_confirmation(write_confirmation(tmp_path / "known", points, judges=judges)), RESAMPLES
    )

    def word(judge: str) -> str:
        return next(v.word for v in verdicts(evidence, compare(evidence, judge), judge) if v.law == "trial 2")

    assert word("second") == "protects"
    assert word("embedding") == "slows"


def test_reference_points_that_the_study_never_ran_are_confirmed_without_a_search_value(tmp_path):
    points = (*POINTS, reference("Zhong et al.", 0.88, 0.85, None))
    evidence = draw_evidence(load_confirmation(write_confirmation(tmp_path / "known", points)), RESAMPLES)
    assert "Zhong et al." not in {row.law for row in shrinkage(evidence).rows}
    assert "Zhong et al." in evidence.front.names
