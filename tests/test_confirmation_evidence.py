"""What a confirmation's tables give: accuracies, the strongest attack, ladders, the front, the leak index."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_confirmation import (
    JUDGES,
    POINTS,
    RESAMPLES,
    share,
    table,
    write_confirmation,
)

from analysis.statistics import load_confirmation
from analysis.statistics.comparisons import compare
from analysis.statistics.evidence import draw_evidence, shifted_to_reference
from analysis.statistics.verdict import verdicts
from mi_tune.search.front import hypervolume


def test_accuracies_are_the_means_of_the_tables_in_which_people_weigh_the_same(confirmed_folder, evidence):
    natural, hits = table(confirmed_folder, "natural"), table(confirmed_folder, "hits")
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


def test_the_last_rung_is_compared_with_the_first_on_the_seed_that_both_have(confirmed_folder, evidence):
    rows = table(confirmed_folder, "hits")
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
