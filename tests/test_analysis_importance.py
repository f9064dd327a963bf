"""Importance of parameters where it is known what each of them does."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.stats import qmc
from synthetic_study import DEFAULT, trial, write_study

from analysis.figures import plot_importance
from analysis.pages import write_report
from analysis.statistics import load_study
from analysis.statistics.forest import Cells, grow_trees, variances
from analysis.statistics.importance import Importance, Unanswered, answer, answer_text, importances
from analysis.statistics.ranks import best_ranks, position_along
from analysis.statistics.searched import SearchedLaws, searched_laws
from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw
from mi_tune.runtime.errors import InputError
from mi_tune.search.geometry import Geometry

SPACE = {
    "probability": FloatDistribution(0.0, 1.0),
    "area_low": FloatDistribution(0.02, 0.7),
    "aspect_max": FloatDistribution(1.0, 4.0, log=True),
    "fill": CategoricalDistribution(("midre", "mean", "noise")),
    "count": IntDistribution(1, 4),
}


def laws(natural, attack=None, count=40, seed=0, noise=0.01) -> SearchedLaws:
    """Sobol points of SPACE; `natural` and `attack` make accuracies of their quantiles {name: (laws,)}."""
    geometry, rng = Geometry(SPACE), np.random.default_rng(seed)
    points = [geometry.params(unit) for unit in qmc.Sobol(len(SPACE), rng=rng).random(64)[:count]]
    units = dict(zip(SPACE, geometry.units(points).T, strict=True))
    made = [f(units) + noise * rng.standard_normal(count) for f in (natural, attack or natural)]
    return SearchedLaws(SPACE, points, *made)


def told(found: Importance | Unanswered) -> list[str]:
    assert isinstance(found, Importance)
    return [name for name in found.shares if found.above_luck(name)]


# ------------------------------------------------------------------------------------------------------- the trees


def boxes(sizes: tuple[int, ...], rng: np.random.Generator, splits: int) -> np.ndarray:
    """Boxes that tile the cells, bool (boxes, all cells), by cutting a random one again and again."""
    owners = np.repeat(np.arange(len(sizes)), sizes)
    found = [np.ones(len(owners), dtype=bool)]
    for _ in range(splits):
        box = found.pop(rng.integers(len(found)))
        cells = np.flatnonzero(box & (owners == rng.integers(len(sizes))))
        part = box.copy()
        part[cells[: rng.integers(1, len(cells))] if len(cells) > 1 else cells] = False
        rest = box.copy()
        rest[np.isin(np.arange(len(owners)), cells) & part] = False
        found += [part, rest] if part[cells].any() else [box]
    return np.array(found)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_main_effects_agree_with_averages_over_every_point_of_the_space(seed):
    rng = np.random.default_rng(seed)
    sizes = tuple(rng.integers(2, 5, size=3))
    region = boxes(sizes, rng, 6)
    value = rng.standard_normal(len(region))
    grid = np.zeros(sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    for cell in np.ndindex(*sizes):
        inside = region[:, starts + np.array(cell)].all(1)
        assert inside.sum() == 1
        grid[cell] = value[inside][0]
    alone, total = variances(region, value, np.repeat(np.arange(3), sizes), np.array(sizes))
    by_hand = [grid.mean(tuple({0, 1, 2} - {d})).var() for d in range(3)]
    assert alone == pytest.approx(np.array(by_hand))
    assert total == pytest.approx(grid.var())


def test_a_tree_learns_a_step_and_gives_all_variance_to_its_parameter():
    cells = Cells.of(list(SPACE.values()))
    units = qmc.Sobol(len(SPACE), rng=np.random.default_rng(0)).random(64)
    target = np.where(units[:, 1] < 0.5, 0.2, 0.6)
    parts = grow_trees(cells, cells.at(units)[None], target, np.ones((1, 20, 64)), np.random.default_rng(0))
    np.testing.assert_allclose(parts.predictions, np.broadcast_to(target, parts.predictions.shape), atol=1e-6)
    assert parts.main_effects[..., 1].mean() == pytest.approx(
        0.04, rel=0.05
    )  # two levels 0.4 apart, half of the space each
    assert parts.main_effects.sum() - parts.main_effects[..., 1].sum() < 0.05 * parts.main_effects.sum()


def test_laws_of_weight_zero_are_as_good_as_absent():
    cells = Cells.of(list(SPACE.values()))
    rng = np.random.default_rng(0)
    units = rng.random((30, len(SPACE)))
    target = units[:, 0]
    wild = np.where(np.arange(30) < 20, target, 5.0)
    weights = np.broadcast_to((np.arange(30) < 20).astype(float), (1, 8, 30))
    ours = grow_trees(cells, cells.at(units)[None], wild, weights, np.random.default_rng(1))
    theirs = grow_trees(cells, cells.at(units[:20])[None], target[:20], weights[..., :20], np.random.default_rng(1))
    np.testing.assert_allclose(ours.main_effects, theirs.main_effects, rtol=1e-3, atol=1e-5)


# --------------------------------------------------------------------------------------------------- the objectives


@pytest.mark.parametrize(
    ("name", "effect"),
    [
        ("probability", lambda u: 0.9 - 0.5 * u["probability"]),
        ("aspect_max", lambda u: 0.5 + 0.8 * (u["aspect_max"] - 0.5) ** 2),
        ("fill", lambda u: np.where(u["fill"] > 2 / 3, 0.4, 0.8)),
        ("count", lambda u: 0.9 - 0.3 * u["count"] ** 2),
    ],
)
def test_a_parameter_that_does_everything_gets_nearly_everything(name, effect):
    found = answer(laws(effect), "natural")
    assert told(found) == [name]
    assert next(iter(found.shares)) == name
    assert found.shares[name].value > 0.75
    assert found.r_squared > 0.4
    assert sum(share.value for share in found.shares.values()) == pytest.approx(1)
    assert f"{name.split('_')[0]}" in answer_text(found).replace("rectangles", "count")


def test_intervals_cover_the_shares_that_a_formula_has():
    # uniform parameters: variances as the squares of the slopes
    truth = {"probability": 1 / 1.36, "area_low": 0.36 / 1.36, "fill": 0.0, "count": 0.0}
    found = [
        answer(laws(lambda u: 0.9 - 0.4 * u["probability"] - 0.24 * u["area_low"], count=48, seed=seed), "natural")
        for seed in range(8)
    ]
    for name, share in truth.items():
        held = [one.shares[name].low - 0.01 <= share <= one.shares[name].high for one in found]
        assert sum(held) >= 7, name
    assert all(
        one.shares[name].low <= one.shares[name].value <= one.shares[name].high for one in found for name in SPACE
    )
    assert sum("probability" in told(one) for one in found) == 8
    assert not any({"aspect_max", "fill", "count"} & set(told(one)) for one in found)


def test_where_nothing_matters_hardly_anything_is_told_though_shares_add_up_to_one():
    found = [answer(laws(lambda u: 0.8, seed=seed, noise=0.05), "natural") for seed in range(8)]
    assert all(sum(share.value for share in one.shares.values()) == pytest.approx(1) for one in found)
    assert max(max(share.value for share in one.shares.values()) for one in found) > 0.4
    assert sum(bool(told(one)) for one in found) <= 2
    useless = next(one for one in found if one.r_squared <= 0)
    assert "Nothing can be concluded" in answer_text(useless)
    assert not told(useless)


# -------------------------------------------------------------------------------------------------------- the front


def test_ranks_are_taken_whole_until_the_share_is_reached():
    natural = np.array([0.9, 0.8, 0.85, 0.7, 0.5])
    attack = np.array([0.8, 0.5, 0.9, 0.6, 0.7])
    # by hand: 0 and 1 are the front, 2 and 3 lie behind it, 4 behind 3
    assert best_ranks(natural, attack, 0.0).tolist() == [True, True, False, False, False]
    assert best_ranks(natural, attack, 0.4).tolist() == [True, True, False, False, False]
    assert best_ranks(natural, attack, 0.5).tolist() == [True, True, True, True, False]
    without_first = best_ranks(natural, attack, 0.5, np.array([0, 0, 1, 1, 1]))
    assert without_first.tolist() == [False, False, True, True, False]


def test_the_position_runs_from_the_accurate_to_the_private_end_and_is_blind_to_what_lies_across():
    natural, attack = np.array([0.9, 0.8, 0.7]), np.array([0.8, 0.6, 0.4])
    assert position_along(natural, attack) == pytest.approx(np.array([0, 0.5, 1]))
    # as far behind the middle on both, by the lengths of the front (0.2 and 0.4)
    behind = position_along(np.append(natural, 0.75), np.append(attack, 0.7))
    assert behind[3] == pytest.approx(0.5)
    assert position_along(np.array([0.9, 0.8]), np.array([0.2, 0.3])) is None


def _with_a_front(seed: int, count: int = 44) -> SearchedLaws:
    """The probability moves a law along a straight front, the aspect ratio away from it."""
    return laws(
        lambda u: 0.95 - 0.4 * u["probability"] - 0.1 * u["aspect_max"],
        lambda u: 0.8 - 0.6 * u["probability"] + 0.15 * u["aspect_max"],
        count=count,
        seed=seed,
    )


def test_what_moves_along_the_front_is_told_from_what_brings_a_law_to_it():
    found = _with_a_front(1)
    assert told(answer(found, "along")) == ["probability"]
    towards = answer(found, "towards")
    assert told(towards) == ["aspect_max"]
    assert 11 <= towards.better < towards.laws == 44
    assert towards.shares["probability"].value < 0.2


# ----------------------------------------------------------------------------------------------- what cannot be said


@pytest.mark.parametrize(("count", "question"), [(11, "natural"), (11, "attack"), (19, "towards"), (19, "along")])
def test_too_few_laws_are_said_to_be_too_few_with_the_number_that_is_needed(count, question):
    few = _with_a_front(0, count)
    assert re.search(rf"Too few laws: {count} .* needs {count + 1}\.", answer(few, question).why)
    assert isinstance(answer(_with_a_front(0, count + 1), question), Importance)


def test_without_a_difference_or_a_choice_there_is_no_answer():
    flat = laws(lambda u: 0 * u["probability"] + 0.8, lambda u: u["probability"], noise=0.0)
    assert "no parameter moves it" in answer(flat, "natural").why
    assert "no front to move along" in answer(flat, "along").why
    alone = SearchedLaws({"probability": SPACE["probability"]}, flat.points, flat.natural, flat.attack)
    assert "nothing to compare" in answer(alone, "attack").why
    equal = laws(lambda u: u["probability"], lambda u: u["probability"], noise=0.0)
    assert "equally good" in answer(equal, "towards").why


def test_infeasible_laws_count_for_natural_accuracy_only():
    found = _with_a_front(0, 40)
    found.attack[:10] = np.nan
    assert answer(found, "natural").laws == 40
    assert answer(found, "attack").laws == 30
    assert answer(found, "along").laws <= 30


# -------------------------------------------------------------------------------------------------------- the study

SEARCHED = {
    "probability": [0.0, 1.0],
    "area_low": [0.02, 0.7],
    "area_span": [0.0, 0.7],
    "aspect_max": 1.0,
    "location": ["inside"],
    "fill": ["midre", "mean"],
}


def study_of(tmp_path, records, space=SEARCHED):
    folder = write_study(tmp_path / "s", records, faces=False)
    settings = yaml.safe_load((folder / "study.yaml").read_text())
    settings["config"]["search"]["space"] = space
    (folder / "study.yaml").write_text(yaml.safe_dump(settings))
    return load_study(folder)


def law(probability: float = 0.5, low: float = 0.1, high: float = 0.4, fill: str = "mean", **more) -> ErasingLaw:
    return ErasingLaw(probability=probability, area=(low, high), fill=fill, **more)


def test_laws_are_taken_once_and_only_where_they_were_measured_inside_the_space(tmp_path):
    records = [
        trial(0, 0.95, 0.90, reference="no defence", law=REFERENCE_LAWS["no defence"]),
        trial(1, 0.94, 0.70, reference="MIDRE(0.1, 0.4)", law=REFERENCE_LAWS["MIDRE(0.1, 0.4)"]),
        trial(2, 0.93, 0.75, reference="Zhong et al.", law=REFERENCE_LAWS["Zhong et al."]),  # another fill and aspect
        trial(3, 0.90, 0.60, law=law()),
        trial(4, 0.80, 0.40, law=law(), repeat_of=3),  # the same law again
        trial(5, 0.40, None, "infeasible", law=law(0.9)),
        trial(6, 0.85, 0.50, "stopped", law=law(0.8)),
        trial(7, 0.85, 0.50, "running", law=law(0.7)),
        trial(8, 0.0, None, "failed", law=law(0.6)),
        trial(9, 0.82, 0.45, law=law(low=0.7, high=0.95)),
    ]
    found = searched_laws(study_of(tmp_path, records))
    assert list(found.space) == ["probability", "area_low", "area_span", "fill"]
    assert found.points == [
        {"probability": 0.0},
        {"probability": 1.0, "area_low": 0.1, "area_span": pytest.approx(0.3), "fill": "midre"},
        {"probability": 0.5, "area_low": 0.1, "area_span": pytest.approx(0.3), "fill": "mean"},
        {"probability": 0.9, "area_low": 0.1, "area_span": pytest.approx(0.3), "fill": "mean"},
        {"probability": 0.5, "area_low": 0.7, "area_span": pytest.approx(0.25), "fill": "mean"},
    ]
    assert found.natural == pytest.approx([0.95, 0.94, 0.85, 0.40, 0.82])
    assert found.attack == pytest.approx([0.90, 0.70, 0.50, np.nan, 0.45], nan_ok=True)


def test_a_span_that_was_cut_at_the_largest_area_stays_in_the_space(tmp_path):
    space = {**SEARCHED, "area_span": [0.3, 0.6]}
    (point,) = searched_laws(study_of(tmp_path, [trial(0, 0.9, 0.5, law=law(low=0.7, high=0.95))], space)).points
    assert point["area_span"] == 0.3


def test_a_space_that_cannot_be_read_is_refused_by_the_name_of_its_file(tmp_path):
    with pytest.raises(InputError, match=r"study\.yaml: config\.search\.space"):
        searched_laws(study_of(tmp_path, DEFAULT, {"probability": "often"}))


def some_records(count: int = 24) -> list[dict]:
    """The probability decides the attack accuracy, and nothing else anything."""
    units = qmc.Sobol(4, rng=np.random.default_rng(0)).random(32)[:count]
    made = [trial(0, 0.95, 0.85, reference="no defence", law=REFERENCE_LAWS["no defence"])]
    for number, (p, low, span, fill) in enumerate(units[1:], start=1):
        low = round(0.05 + 0.4 * low, 3)
        one = law(round(p, 3), low, round(low + 0.05 + 0.4 * span, 3), "mean" if fill < 0.5 else "midre")
        made.append(trial(number, 0.9 - 0.1 * p, 0.8 - 0.5 * p, law=one))
    return made


def test_the_same_study_gives_the_same_answers_and_a_law_that_never_erases_says_nothing_of_rectangles(tmp_path):
    study = study_of(tmp_path, some_records())
    found = importances(study)
    assert found == importances(study)
    assert told(found[1])[0] == "probability"
    assert not {"area_low", "area_span", "fill"} & set(told(found[1]))


def test_bars_that_are_not_told_from_nothing_are_pale_and_carry_the_share_of_luck():
    found = answer(laws(lambda u: 0.9 - 0.5 * u["probability"]), "natural")
    bars, luck = plot_importance(found).data
    colours = dict(zip(bars.y, bars.marker.color, strict=True))
    assert [label for label, colour in colours.items() if not colour.startswith("rgba")] == ["probability"]
    assert list(luck.x) == pytest.approx(list(reversed(found.luck.values())))
    reach = np.array(bars.x) + np.array(bars.error_x.array)
    assert reach == pytest.approx([share.high for share in reversed(found.shares.values())])


def test_the_report_shows_each_question_and_says_what_was_told(tmp_path):
    page = write_report(study_of(tmp_path, some_records()).folder).read_text()
    section = page.split('<section id="importance"')[1].split("</section>")[0]
    titles = re.findall(r"<h3>(.*?)</h3>|<strong>(.*?)\\.</strong>", section)
    found = [heading or bold for heading, bold in titles]
    assert found == ["Natural accuracy", "Attack accuracy", "Along the front"]
    assert "Towards the front" in section  # said in a sentence: too few laws lie near it
    assert "What changes attack accuracy, over 24 laws." in section
    assert "Larger than luck explains: probability (" in section
    assert "add up to 100%" in section
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1))
    assert "importance-attack" in data["figures"]


def test_the_report_of_a_short_study_says_what_is_missing_and_draws_no_bars(tmp_path):
    page = write_report(write_study(tmp_path / "known")).read_text()
    section = page.split('<section id="importance"')[1].split("</section>")[0]
    assert section.count("Too few laws") == 4
    assert "data-figure" not in section
