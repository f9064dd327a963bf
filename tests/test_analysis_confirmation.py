"""A confirmation read from its folder: what was measured, what follows, and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import synthetic_confirmation
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_confirmation import CLASSES, JUDGES, KEPT, POINTS, STOPS, Known, law, reference, stop, write_confirmation
from synthetic_study import write_study

from analysis.statistics import load_confirmation
from analysis.statistics.comparisons import AUGMENTATION, EQUAL_ACCURACY, UNDER_AWARE_ATTACKS, compare
from analysis.statistics.evidence import draw_evidence, shifted_to_reference
from analysis.statistics.shrinkage import shrinkage
from analysis.statistics.verdict import judge_law, verdicts
from mi_tune.runtime.errors import InputError
from mi_tune.search.front import hypervolume

RESAMPLES = 2000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_confirmation(tmp_path_factory.mktemp("studies") / "known")


@pytest.fixture(scope="module")
def confirmation(folder):
    return load_confirmation(folder)


@pytest.fixture(scope="module")
def evidence(confirmation):
    return draw_evidence(confirmation, RESAMPLES)


def table(folder, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "confirmation" / f"{name}.parquet")


def share(rows: pd.DataFrame, column: str) -> float:
    """The mean in which every seed and person weighs the same, by another way than the analysis takes."""
    return rows.groupby(["seed", "class"])[column].mean().groupby("class").mean().mean()


def said(tmp_path, points, stops=STOPS, **how):
    evidence = draw_evidence(load_confirmation(write_confirmation(tmp_path / "study", points, stops, **how)), RESAMPLES)
    return {verdict.law: verdict for verdict in verdicts(evidence, compare(evidence))}


# ------------------------------------------------------------------------------------------------------- records


def test_hits_are_those_of_the_table_in_their_place(folder, confirmation):
    hits = confirmation.hits("trial 2", "taa:reduced", "second")
    assert hits.shape == (3, CLASSES, KEPT)
    rows = table(folder, "hits")
    wide = rows[(rows.point == "trial 2") & (rows.attack == "taa:reduced")]
    expected = wide.sort_values(["seed", "class", "image"]).second.to_numpy(float).reshape(3, CLASSES, KEPT)
    assert (hits == expected).all()


def test_people_with_fewer_test_images_are_filled_up_with_nan_in_the_same_order_under_every_seed(folder, confirmation):
    correct = confirmation.natural_correct("trial 2")
    assert correct.shape == (3, CLASSES, 11)
    assert np.isnan(correct).sum() == 3 * (CLASSES - 1)
    rows = table(folder, "natural")
    rows = rows[(rows.point == "trial 2") & (rows["class"] == 0)].sort_values(["seed", "image"])
    assert (correct[:, 0] == rows.correct.to_numpy(float).reshape(3, 11)).all()


@pytest.mark.parametrize(
    ("judges", "expected"),
    [
        (("searching", "embedding", "second"), "second"),
        (("second", "searching"), "second"),
        (("searching", "embedding"), "embedding"),
        (("searching",), "searching"),
    ],
)
def test_the_headline_judge_is_a_second_classifier_if_there_is_one(tmp_path, judges, expected):
    found = load_confirmation(write_confirmation(tmp_path / "known", judges=dict.fromkeys(judges, 0.0)))
    assert found.headline.name == expected
    assert [judge.name for judge in found.judges] == list(judges)


def test_a_study_that_was_not_confirmed_says_how_to_confirm_it(tmp_path):
    folder = write_study(tmp_path / "known")
    with pytest.raises(InputError, match=r"not confirmed to the end; run python studies/confirm\.py"):
        load_confirmation(folder)
    with pytest.raises(InputError, match="no such folder"):
        load_confirmation(tmp_path / "nowhere")


def test_a_confirmation_that_was_cut_off_is_none(tmp_path):
    folder = write_confirmation(tmp_path / "known")
    (folder / "confirmation" / "confirmation.yaml").unlink()
    with pytest.raises(InputError, match="not confirmed to the end"):
        load_confirmation(folder)


def test_damaged_files_are_one_clear_line_that_names_the_culprit(tmp_path):
    folder = write_confirmation(tmp_path / "known")
    place = folder / "confirmation"

    def damaged(name: str, change, message: str) -> None:
        whole = (place / name).read_bytes()
        change(place / name)
        with pytest.raises(InputError, match=message) as caught:
            load_confirmation(folder)
        assert "\n" not in str(caught.value)
        (place / name).write_bytes(whole)

    def without(column):
        return lambda path: pd.read_parquet(path).drop(columns=column).to_parquet(path)

    def setting(**changes):
        return lambda path: path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))

    damaged("hits.parquet", lambda path: path.unlink(), "cannot be read")
    damaged("hits.parquet", lambda path: path.write_bytes(b"PAR1"), "cannot be read")
    damaged("hits.parquet", without("second"), r"hits\.parquet lacks column second")
    damaged("attacks.parquet", without("reason"), r"attacks\.parquet lacks column reason")
    damaged("confirmation.yaml", lambda path: path.write_text("- 1"), r"confirmation\.yaml lacks study")
    damaged("confirmation.yaml", lambda path: path.write_text("{"), "cannot be read")
    damaged("confirmation.yaml", setting(judges=[]), "names no judge")
    damaged("confirmation.yaml", setting(judges=[{"name": "x"}]), "without 'held_out'")
    damaged("confirmation.yaml", setting(seeds=2), "seed outside 0 to 1")
    damaged("confirmation.yaml", setting(data={"identities": 4}), "class outside 0 to 3")
    keep = lambda path, wanted: (rows := pd.read_parquet(path))[wanted(rows)].to_parquet(path)  # noqa: E731
    damaged("targets.parquet", lambda p: keep(p, lambda rows: rows.point != "trial 2"), "no row of 'trial 2'")
    damaged("ceilings.parquet", lambda p: keep(p, lambda rows: rows["class"] != 3), "lacks a class of judge searching")
    load_confirmation(folder)


def test_a_confirmation_of_another_study_is_refused(tmp_path):
    folder = write_confirmation(tmp_path / "known", (*POINTS, law("trial 99", 0.8, 0.5, trial=99)))
    with pytest.raises(InputError, match="no trial 99; this confirms another one"):
        load_confirmation(folder)


def test_without_an_undefended_point_there_is_nothing_to_compare_with(tmp_path):
    folder = write_confirmation(tmp_path / "known", POINTS[1:])
    with pytest.raises(InputError, match="no point without defence"):
        load_confirmation(folder)


# ------------------------------------------------------------------------------------------------------ evidence


def test_accuracies_are_the_means_of_the_tables_in_which_people_weigh_the_same(folder, evidence):
    natural, hits = table(folder, "natural"), table(folder, "hits")
    for point in POINTS:
        assert evidence.natural(point.name).value == pytest.approx(
            share(natural[natural.point == point.name], "correct")
        )
        for attack in evidence.confirmation.attacks_on(point.name):
            rows = hits[(hits.point == point.name) & (hits.attack == attack)]
            for judge in JUDGES:
                assert evidence.attack(point.name, attack, judge).value == pytest.approx(share(rows, judge))


def test_the_strongest_attack_is_the_maximum_within_each_draw(evidence):
    attacks = evidence.confirmation.attacks_on("trial 4")
    drawn = [evidence.attack("trial 4", attack) for attack in attacks]
    found = evidence.strongest("trial 4")
    assert found.attack == "ppa:16x"
    assert found.drawn.value == max(one.value for one in drawn)
    moved = np.max([one.draws for one in drawn], axis=0) - found.drawn.draws
    assert np.ptp(moved) < 1e-12
    own = evidence.attack("trial 4", "ppa:16x").draws
    assert np.median(found.drawn.draws) == pytest.approx(np.median(own))
    assert evidence.strongest("trial 4", attacks=["brepmi:reduced"]).attack == "brepmi:reduced"
    assert evidence.strongest("trial 4", attacks=["nothing"]) is None


def test_all_points_are_drawn_together(evidence):
    # the same people and seeds: no defence on the same targets moves with itself
    for judge in JUDGES:
        assert evidence.attack("trial 2", "taa:reduced", judge).draws.shape == (RESAMPLES,)
    natural = evidence.natural("no defence")
    assert (natural - natural).estimate == (0.0, 0.0, 0.0)


def test_an_attack_that_failed_under_one_seed_counts_under_the_others(tmp_path):
    failed = {("trial 2", "taa:reduced", 1): "diverged"}
    folder = write_confirmation(tmp_path / "known", failed=failed)
    found = load_confirmation(folder)
    assert found.seeds_of("trial 2", "taa:reduced") == (0, 2)
    assert np.isnan(found.hits("trial 2", "taa:reduced", "second")[1]).all()
    rows = table(folder, "hits")
    rows = rows[(rows.point == "trial 2") & (rows.attack == "taa:reduced")]
    evidence = draw_evidence(found, RESAMPLES)
    assert evidence.attack("trial 2", "taa:reduced").value == pytest.approx(share(rows, "second"))
    assert "taa:reduced" in evidence.common_attacks("trial 2", "no defence")


def test_an_attack_left_with_one_seed_or_none_is_not_compared(tmp_path):
    failed = {("trial 2", "taa:reduced", seed): "diverged" for seed in (1, 2)}
    failed |= {("trial 2", "brepmi:reduced", seed): "diverged" for seed in (0, 1, 2)}
    evidence = draw_evidence(load_confirmation(write_confirmation(tmp_path / "known", failed=failed)), RESAMPLES)
    assert evidence.attack("trial 2", "taa:reduced") is not None
    assert evidence.attack("trial 2", "brepmi:reduced") is None
    assert evidence.common_attacks("trial 2", "no defence") == ("ppa:reduced", "ppa:4x")


def test_the_last_rung_is_compared_with_the_first_on_the_seed_that_both_have(folder, evidence):
    rows = table(folder, "hits")
    rows = rows[(rows.point == "trial 4") & (rows.seed == 0)]
    ladder = evidence.ladder("trial 4")
    assert ladder.seeds == 1
    for one in ladder.budgets:
        assert one.drawn.value == pytest.approx(share(rows[rows.attack == one.attack], "second"))
    assert ladder.rise.value == pytest.approx(0.4)
    assert not ladder.flattened
    assert evidence.ladder("trial 2").flattened


def test_with_one_seed_everything_is_still_known_for_other_people(tmp_path):
    found = load_confirmation(write_confirmation(tmp_path / "known", seeds=1))
    evidence = draw_evidence(found, RESAMPLES)
    estimate = evidence.strongest("trial 2").drawn.estimate
    assert estimate.low < estimate.value < estimate.high
    assert evidence.common_attacks("trial 2", "no defence") == found.attacks
    assert {verdict.word for verdict in verdicts(evidence, compare(evidence))} == {"protects", "slows", "does not help"}


def test_with_two_seeds_no_law_is_said_not_to_help(tmp_path):
    found = load_confirmation(write_confirmation(tmp_path / "known", seeds=2))
    evidence = draw_evidence(found, RESAMPLES)
    told = verdicts(evidence, compare(evidence))
    assert "does not help" not in {verdict.word for verdict in told}
    reasons = [verdict.reason for verdict in told if verdict.word == "undecided"]
    assert any("as hardly anything is with two seeds" in reason for reason in reasons)


def test_the_front_is_that_of_the_laws_and_leaves_controls_out(evidence):
    front = evidence.front
    assert front.names == ("no defence", "MIDRE(0.1, 0.4)", "trial 2", "trial 4")
    sure = dict(zip(front.names, front.probability, strict=True))
    assert sure["trial 2"] > 0.99  # nobody finds as little
    assert sure["trial 4"] < 0.2  # less accurate and leaks more than trial 2
    assert 0 < front.hypervolume.low < front.hypervolume.value < front.hypervolume.high < 1


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8),
    st.tuples(st.floats(0, 0.9), st.floats(0.1, 1)),
)
def test_the_area_seen_from_a_corner_is_that_of_points_moved_to_it(points, corner):
    natural, attack = np.array(points).T
    expected = hypervolume(natural, attack, *corner)
    assert hypervolume(*shifted_to_reference(corner, natural, attack)) == pytest.approx(expected, abs=1e-9)


def test_the_leak_index_is_the_way_from_the_best_samples_to_real_images(evidence):
    found = evidence.leak("trial 4")
    strongest, under = evidence.strongest("trial 4").drawn.value, evidence.attack("trial 4", "best prior samples").value
    assert found.estimate.value == pytest.approx((strongest - under) / (0.95 - under))
    assert found.estimate.low < found.estimate.value < found.estimate.high


# --------------------------------------------------------------------------------------------------- comparisons


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


def test_shrinkage_sets_the_same_attack_and_judge_side_by_side(folder, evidence):
    found = shrinkage(evidence)
    assert (found.attack, found.judge) == ("ppa:reduced", "searching")
    row = next(row for row in found.rows if row.law == "trial 2")
    hits = table(folder, "hits")
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


# ------------------------------------------------------------------------------------------------------ verdicts


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
