"""Mixes of erasing and other defences: their space, their search, their reference points, and what is confirmed."""

import dataclasses
from pathlib import Path

import numpy as np
import optuna
import pytest
import yaml
from conftest import make_bank
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_confirmation import CONTROLS, POINTS, Known, write_confirmation

from analysis.pages import write_confirmation_report
from analysis.statistics import load_confirmation
from analysis.statistics.comparisons import PART_LEFT_OUT, compare
from analysis.statistics.evidence import draw_evidence
from mi_tune.confirmation.plan import Plan
from mi_tune.confirmation.points import choose_points, left_out
from mi_tune.defences.columns import described, treatment_columns, treatment_of
from mi_tune.defences.registry import DEFENCES, read_mix
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import NO_DEFENCE, REFERENCE_LAWS, ErasingLaw
from mi_tune.runtime.errors import InputError
from mi_tune.search.contracts import check_sampler_contract
from mi_tune.search.geometry import Geometry
from mi_tune.search.mixes import ERASING
from mi_tune.search.samplers import SAMPLERS, make_sampler
from mi_tune.search.space import distributions, law_from, mix_from, params_of, point_of
from mi_tune.search.state import State
from mi_tune.setup import SearchSetup, make_setup
from mi_tune.study.fixed_laws import reference_points
from mi_tune.study.journal import StudyJournal
from mi_tune.trial.laws import laws_of
from mi_tune.trial.mixes import check_public_people, completed
from mi_tune.trial.point import LEFT_OUT, Point
from mi_tune.trial.table import table_of

optuna.logging.set_verbosity(optuna.logging.ERROR)


def setup_of(defences, architecture="small_cnn", **space):
    values = {"target": {"architecture": architecture}, "search": {"space": {"defences": defences, **space}}}
    return completed(make_setup(values, "test"))


SETUP = setup_of(["neg_ls", "mid", "loft", "bido", "at_at"])
SPACE = SETUP.search.space
GEOMETRY = Geometry(distributions(SPACE))


def objective(law: ErasingLaw, mix: str) -> dict[str, float]:
    """Erasing costs accuracy and hides; negative smoothing hides for nothing."""
    erased = law.probability * (law.area[0] + law.area[1]) / 2
    hidden = sum(abs(getattr(one, "alpha", 0.0)) for one in read_mix(mix))
    natural = 0.8 - 0.4 * erased - (0.1 if "mid" in mix else 0.0)
    return {"natural_accuracy": natural, "attack_accuracy": max(0.0, 0.7 - 0.6 * erased - 2 * hidden)}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=len(GEOMETRY.names), max_size=len(GEOMETRY.names)))
def test_every_point_of_the_cube_is_a_mix_that_is_allowed_and_found_again(unit):
    params = GEOMETRY.params(np.array(unit))
    law, mix = law_from(SPACE, params), mix_from(SPACE, params)
    treatment = Treatment(law, defences=read_mix(mix))
    assert not treatment.undefended or law.probability == 0
    assert len(treatment.defences) <= SPACE.most_defences
    if law.probability > 0 or law == NO_DEFENCE:
        again = params_of(SPACE, law, mix)
        assert again is not None and again.keys() == params.keys()
        assert mix_from(SPACE, again) == mix
        columns = [GEOMETRY.columns(GEOMETRY.units([one])) for one in (params, again)]
        assert np.allclose(columns[0], columns[1], atol=1e-6)


def test_a_parameter_exists_only_where_its_switch_is_on():
    for unit in np.random.default_rng(0).random((300, len(GEOMETRY.names))):
        params = GEOMETRY.params(unit)
        for kind in SPACE.defences:
            assert any(name.startswith(f"{kind}.") for name in params) == params[kind]
        assert ("probability" in params) == params[ERASING]
        assert not (params["mid"] and params["loft"])


def test_what_does_not_exist_does_not_move_the_models_columns():
    unit = np.full(len(GEOMETRY.names), 0.1)
    off = GEOMETRY.names.index("neg_ls.alpha")
    moved = unit.copy()
    moved[off] = 0.9
    assert np.array_equal(GEOMETRY.columns(unit[None]), GEOMETRY.columns(moved[None]))
    on = unit.copy()
    on[GEOMETRY.names.index("neg_ls")] = 0.99
    moved = on.copy()
    moved[off] = 0.9
    assert not np.array_equal(GEOMETRY.columns(on[None]), GEOMETRY.columns(moved[None]))


def test_a_space_without_defences_is_the_one_that_it_was():
    plain = make_setup({}, "test")
    assert completed(plain) == plain
    assert distributions(plain.search.space).switches == ()


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_proposes_mixes_that_are_allowed(name):
    journal = StudyJournal(None, "mixes", SearchSetup(sampler=name, trials=9, space=SPACE), 0, 30, references=False)
    seen = set()
    while (asked := journal.ask()) is not None:
        seen.add(asked.defences)
        journal.tell(asked.number, State.COMPLETE, objective(asked.law, asked.defences))
    table = journal.table()
    assert len(table) == 9 and len(seen) > 1
    assert all(point_of(SPACE, row) is not None for _, row in table.iterrows() if row.probability)


def test_the_default_sampler_keeps_its_contract_over_mixes():
    check_sampler_contract(lambda space, seed: make_sampler("nehvi", space, seed, 2), distributions(SPACE))


def test_the_default_sampler_finds_the_defence_that_helps():
    journal = StudyJournal(None, "mixes", SearchSetup(trials=40, space=SPACE, repeats=0), 0, 30, references=False)
    while (asked := journal.ask()) is not None:
        journal.tell(asked.number, State.COMPLETE, objective(asked.law, asked.defences))
    late = journal.table().iloc[-16:]
    strong = [sum(-getattr(one, "alpha", 0.0) for one in read_mix(mix)) for mix in late.defences]
    assert np.mean([value > 0.1 for value in strong]) > 0.6  # of the range to 0.2; by chance about one in seven
    assert late.attack_accuracy.min() < 0.05


def test_reference_points_are_every_defence_as_published_alone_and_with_midre():
    points = reference_points(SPACE)
    assert list(points)[:4] == list(REFERENCE_LAWS)
    assert len(points) == 4 + 2 * len(SPACE.defences)
    mixes = {mix for _, mix in points.values() if mix}
    assert mixes == {DEFENCES[kind]().text for kind in SPACE.defences}
    journal = StudyJournal(None, "mixes", SearchSetup(trials=14, space=SPACE), 0, 30)
    asked = [journal.ask() for _ in range(14)]
    assert {one.reference for one in asked} == set(points)
    assert {one.defences for one in asked} == {"", *mixes}


def test_a_row_of_the_table_tells_its_treatment():
    mix = read_mix("neg_ls:-0.1+bido:0.05,2")
    treatment = Treatment(REFERENCE_LAWS["MIDRE(0.1, 0.8)"], defences=mix)
    row = treatment_columns(treatment.law.to_dict(), treatment.mix)
    assert treatment_of(row) == treatment
    assert described(row).endswith("+ negative label smoothing -0.1 + BiDO (HSIC) 0.05, 2")
    assert described({**row, "probability": 0.0}) == "negative label smoothing -0.1 + BiDO (HSIC) 0.05, 2"
    del row["defences"]
    assert treatment_of(row) == Treatment(treatment.law)


@pytest.mark.parametrize(
    ("defences", "architecture", "named"),
    [
        (["nels"], "small_cnn", "did you mean neg_ls"),
        ({"bido": {"a3": [0, 1]}}, "small_cnn", "unknown parameter 'a3'"),
        ({"neg_ls": {"alpha": [-0.1, 0.1]}}, "small_cnn", "outside"),
        ({"neg_ls": {"alpha": [0, -0.1]}}, "small_cnn", "upside down"),
        ({"loft": {"rank": [2.5, 8]}}, "small_cnn", "whole numbers"),
        (["rolss"], "small_cnn", "no skip connections"),
        ("bido:0.05,0.5,3", "small_cnn", "3 values"),
    ],
)
def test_a_wrong_space_is_refused_in_one_line(defences, architecture, named):
    with pytest.raises(InputError, match=named) as refused:
        setup_of(defences, architecture)
    assert "\n" not in str(refused.value)


def test_all_means_every_defence_that_fits_the_network():
    assert set(DEFENCES) - set(setup_of("all").search.space.defences) == {"rolss"}
    assert set(setup_of("all", "residual_gn").search.space.defences) == set(DEFENCES)


def test_a_setting_on_the_command_line_is_searched_on_or_off_only():
    space = setup_of("neg_ls:-0.05+bido").search.space
    names = set(distributions(space))
    assert {"neg_ls", "bido", "bido.a1"} <= names and "neg_ls.alpha" not in names
    assert mix_from(space, {"neg_ls": True, "bido": False}) == "neg_ls:alpha=-0.05"


def test_completing_a_setup_twice_changes_nothing():
    assert completed(SETUP) == SETUP
    stored = make_setup(SETUP.model_dump(mode="json"), "test")
    assert completed(stored) == SETUP


def test_a_mix_is_confirmed_with_each_part_left_out_and_by_the_attacks_that_may_undo_it():
    law = REFERENCE_LAWS["MIDRE(0.1, 0.4)"]
    mix = Point("trial 7", "front", Treatment(law, defences=read_mix("neg_ls+trap_mid")), 7)
    alone = Point("trial 8", "front", Treatment(law), 8)
    parts = left_out([mix, alone])
    assert list(parts) == ["trial 7"]
    treatments = {point.treatment for point in parts["trial 7"]}
    assert treatments == {
        dataclasses.replace(mix.treatment, law=NO_DEFENCE),
        dataclasses.replace(mix.treatment, defences=mix.treatment.defences[:1]),
        dataclasses.replace(mix.treatment, defences=mix.treatment.defences[1:]),
    }
    assert all(point.is_control for point in parts["trial 7"])
    known = Plan(1).knowing([mix]).portfolio
    assert set(Plan(1).portfolio) < set(known) and "untrain_re:reduced" in known
    assert Plan(1).knowing([alone]) == Plan(1)


def test_a_published_defence_that_breaks_the_training_is_infeasible_and_not_private():
    journal = StudyJournal(None, "mixes", SearchSetup(trials=14, space=SPACE), 0, 30)
    states = {}
    while (asked := journal.ask()) is not None:
        broken = asked.reference != "no defence"
        record = {"natural_accuracy": 0.1 if broken else 0.9, "attack_accuracy": 0.0 if broken else 0.8}
        states[asked.reference] = journal.tell(asked.number, State.COMPLETE, record)
    table = journal.table().set_index("reference")
    assert {name for name, row in table.iterrows() if row.state == State.COMPLETE} == set(REFERENCE_LAWS)
    assert {name for name, row in table.iterrows() if row.state == State.INFEASIBLE} == set(table.index) - set(
        REFERENCE_LAWS
    )
    assert (laws_of(journal.table(), Path()).state == State.INFEASIBLE).sum() == 10


def test_a_published_defence_on_the_front_is_confirmed():
    rows = []
    for number, (name, (law, mix)) in enumerate(reference_points(SPACE).items()):
        value = {"no defence": (0.9, 0.9), "MID 0.01": (0.85, 0.2)}.get(name, (0.5, 0.95))
        record = {"natural_accuracy": value[0], "attack_accuracy": value[1], "attack_accuracy_low": value[1] - 0.01}
        rows.append({"trial": number, "law": law.to_dict(), "defences": mix, "reference": name, **record})
    table = table_of([row | {"state": "complete"} for row in rows])
    chosen = choose_points(table, (0.4,), 3)
    assert "mid" in {one.kind for point in chosen for one in point.treatment.defences}
    assert len(chosen) == len({point.name for point in chosen})


def test_no_more_defences_are_on_than_wanted_whatever_is_drawn():
    space = setup_of(["neg_ls", "mid", "bido", "at_at", "trap_mid"], most_defences=2).search.space
    geometry = Geometry(distributions(space))
    params = geometry.params(np.full(len(geometry.names), 0.999))
    assert sum(params[kind] for kind in space.defences) == 2 and params[ERASING]
    law, three = REFERENCE_LAWS["MIDRE(0.1, 0.4)"], "neg_ls:alpha=-0.05+mid:beta=0.01+bido:a1=0.05,a2=0.5"
    narrow = {"probability": 1.0, "area_low": [0.05, 0.2], "aspect_max": 1.0, "location": ["inside"], "fill": ["midre"]}
    two, more = (setup_of(space.defences, most_defences=most, **narrow).search.space for most in (2, 3))
    assert params_of(more, law, three) is not None
    assert params_of(two, law, three) is None


def test_a_defence_that_needs_public_people_is_refused_without_them():
    with pytest.raises(InputError, match="tl_dmi needs at least two public people"):
        check_public_people(setup_of(["tl_dmi"]), make_bank(1))
    check_public_people(setup_of(["neg_ls"]), make_bank(1))


def test_what_a_part_of_a_mix_gives_is_its_difference_from_the_mix_without_it(tmp_path):
    without = Known("trial 2 without MID 0.01", LEFT_OUT, 0.8, dict.fromkeys(CONTROLS, 0.6))
    folder = write_confirmation(tmp_path / "known", (*POINTS, without))
    place = folder / "confirmation" / "confirmation.yaml"
    config = yaml.safe_load(place.read_text()) | {"left_out": {"trial 2": [without.name]}}
    place.write_text(yaml.safe_dump(config))
    found = [one for one in compare(draw_evidence(load_confirmation(folder))) if one.question == PART_LEFT_OUT]
    assert [(one.law, one.other) for one in found] == [("trial 2", without.name)]
    assert found[0].attack.value == pytest.approx(0.3 - 0.6, abs=0.03) and found[0].below
    page = write_confirmation_report(folder).read_text()
    assert "What each part of a mix gives" in page and without.name in page
