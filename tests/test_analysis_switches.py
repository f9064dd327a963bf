"""What switches change along the front, where it is known."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_study import trial, write_study

from analysis.pages import write_report
from analysis.statistics import load_study
from analysis.statistics.switches import LEVELS, study_switches, switch_effects
from mi_tune.runtime.errors import InputError
from mi_tune.search.geometry import Geometry
from mi_tune.search.observations import Observations
from mi_tune.search.space import distributions, law_from, mix_from
from mi_tune.setup import make_setup
from mi_tune.trial.mixes import completed

KINDS = ("neg_ls", "mid", "bido", "trap_mid")
SPACE = completed(make_setup({"search": {"space": {"defences": list(KINDS)}}}, "test")).search.space
GEOMETRY = Geometry(distributions(SPACE))
EFFECT = 0.2
"""Of neg_ls on the attack accuracy, at every natural accuracy; the other defences have none."""


def accuracies(params: dict) -> tuple[float, float]:
    law = law_from(SPACE, params)
    erased = law.probability * sum(law.area) / 2
    return 0.9 - 0.4 * erased, 0.8 - 0.7 * erased - EFFECT * params["neg_ls"]


def mixes(count: int, seed: int) -> list[dict]:
    return [GEOMETRY.params(unit) for unit in np.random.default_rng(seed).random((count, len(GEOMETRY.names)))]


def observed(count: int = 60, seed: int = 0, noise: float = 0.02, only=lambda params: True) -> Observations:
    rng = np.random.default_rng(1000 + seed)
    rows = []
    for params in filter(only, mixes(count, seed)):
        natural, attack = np.clip(accuracies(params) + noise * rng.standard_normal(2), 0, 1)
        rows.append({"params": params, "natural": natural, "attack": attack})
    return Observations.of(GEOMETRY, rows)


def test_what_each_switch_changes_is_found_at_every_level():
    covered, told = [], 0
    idle = ("mid", "bido", "trap_mid")
    for seed in range(6):
        found = switch_effects(GEOMETRY, observed(seed=seed))
        changes = {effect.name: effect.changes for effect in found.effects}
        # to be as accurate as a level, a mix may erase (0.9 - level) / 0.4 of the image at most
        truth = {"erasing": [-0.7 * (0.9 - level) / 0.4 for level in found.levels], "neg_ls": [-EFFECT] * len(LEVELS)}
        truth |= {name: [0.0] * len(LEVELS) for name in idle}
        for name, expected in truth.items():
            for change, right in zip(changes[name], expected, strict=True):
                covered.append(change.low <= right <= change.high)
                assert change.value == pytest.approx(right, abs=0.1)
        effects = {effect.name: effect for effect in found.effects}
        assert all(effects["neg_ls"].told(level) for level in range(len(LEVELS)))
        told += sum(effects[name].told(level) for name in idle for level in range(len(LEVELS)))
        assert {effect.name for effect in found.effects[:2]} == {"erasing", "neg_ls"}
    assert np.mean(covered) > 0.85
    assert told <= 0.1 * 6 * len(LEVELS) * len(idle)


def test_levels_rise_between_the_ends_of_the_front():
    found = switch_effects(GEOMETRY, observed())
    assert sorted(found.levels) == list(found.levels)
    assert 0.4 < found.levels[0] < found.levels[-1] < 0.92


def test_more_noise_leaves_more_open():
    width = lambda found: np.mean([c.high - c.low for e in found.effects for c in e.changes if c])  # noqa: E731
    assert width(switch_effects(GEOMETRY, observed(noise=0.08))) > 1.5 * width(switch_effects(GEOMETRY, observed()))


def test_a_switch_that_was_hardly_ever_on_is_not_judged():
    seldom = iter(range(1000))
    found = switch_effects(GEOMETRY, observed(only=lambda params: not params["bido"] or next(seldom) < 1))
    (bido,) = (effect for effect in found.effects if effect.name == "bido")
    assert bido.on == 1 and bido.changes == () and "on in 1 complete trial" in bido.why
    assert not any(bido.told(level) for level in range(len(LEVELS)))


def test_a_level_that_no_mix_of_one_side_reaches_has_no_change():
    # erasing costs a lot of accuracy whatever else is on
    rows = []
    for params in mixes(80, 3):
        natural = 0.5 if params["erasing"] else 0.9 - 0.1 * params["neg_ls"]
        attack = 0.1 if params["erasing"] else 0.8 - 0.1 * params["neg_ls"]
        rows.append({"params": params, "natural": natural, "attack": attack})
    found = switch_effects(GEOMETRY, Observations.of(GEOMETRY, rows))
    (erasing,) = (effect for effect in found.effects if effect.name == "erasing")
    assert erasing.changes[-1] is None


def test_few_trials_and_a_space_without_switches_have_no_answer():
    assert switch_effects(GEOMETRY, observed(15)) is None
    plain = Geometry({name: GEOMETRY.space[name] for name in ("probability", "area_low")})
    assert switch_effects(plain, Observations.of(plain, [])) is None


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    records = []
    for number, params in enumerate(mixes(45, 0)):
        natural, attack = np.clip(accuracies(params) + 0.01 * rng.standard_normal(2), 0.06, 0.94)
        given = {"law": law_from(SPACE, params), "defences": mix_from(SPACE, params)}
        records.append(trial(number, natural, attack, floor=0.0, **given))
    return write_study(tmp_path / "mixes", records, faces=False, search={"space": SPACE.model_dump(mode="json")})


def test_the_report_has_a_row_for_every_switch_and_marks_what_is_told(folder):
    study = load_study(folder)
    assert study_switches(study) == study_switches(study)
    page = write_report(folder).read_text(encoding="utf-8")
    table = page.split('id="switches"')[1].split("</table>")[0]
    assert table.count("<tr>") == 1 + 1 + len(KINDS)
    row = table.split("negative label smoothing")[1].split("</tr>")[0]
    assert row.count("<b>-") == len(LEVELS)


def test_a_study_of_erasing_alone_has_no_such_table(tmp_path):
    page = write_report(write_study(tmp_path / "plain")).read_text(encoding="utf-8")
    assert 'id="switches"' not in page


def test_a_space_that_cannot_be_read_is_named(folder):
    study = load_study(folder)
    study.config["config"]["search"]["space"] = {"probability": "often"}
    with pytest.raises(InputError, match="space cannot be read"):
        study_switches(study)
