"""A study that starts from an earlier one: what it takes over, what it leaves, and what becomes of both."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from synthetic_study import trial, write_study
from test_journal import SPACE, objective, search

from mi_tune.erasing import ErasingLaw
from mi_tune.runtime.errors import InputError
from mi_tune.search.arcsine import from_arcsine, to_arcsine
from mi_tune.search.front import hypervolume
from mi_tune.search.front_model import FrontModel
from mi_tune.search.geometry import Geometry
from mi_tune.search.observations import Observations
from mi_tune.search.space import distributions, law_from, params_of
from mi_tune.search.warm import EarlierStudy, warm_start
from mi_tune.setup import SearchSetup, Space
from mi_tune.study.earlier import copy_earlier, read_earlier
from mi_tune.study.fixed_laws import WARM_START_LAW
from mi_tune.study.journal import StudyJournal
from mi_tune.trial.laws import laws_of


def run(journal: StudyJournal, trials: int | None = None) -> None:
    while trials != 0 and (asked := journal.ask()) is not None:
        journal.tell(asked.number, "complete", objective(asked.law))
        trials = None if trials is None else trials - 1


def earlier_study(space: Space = SPACE, trials: int = 30) -> EarlierStudy:
    journal = StudyJournal(None, "earlier", search(space=space, sampler="qmc", trials=trials), 3, 30)
    run(journal)
    runs = journal.table()
    return EarlierStudy("earlier", space, runs, laws_of(runs, Path("earlier")), Path("earlier"))


def journal_from(earlier: EarlierStudy, path: Path | None = None, **changes) -> StudyJournal:
    setup = SearchSetup(**{"trials": 20, "startup": 4, "repeats": 0, "space": SPACE} | changes)
    return StudyJournal(
        path, "study", setup, 0, 30, warm=warm_start(earlier, setup.space, setup.startup, setup.transfer)
    )


def test_the_earlier_front_is_tried_right_after_the_reference_points():
    earlier = earlier_study()
    journal = journal_from(earlier)
    run(journal)
    table = journal.table()
    references = int((table.reference != "").sum())
    first = [law_from(SPACE, params) for params in warm_start(earlier, SPACE, 4).first]
    tried = [journal.row(number)["law"] for number in range(references, references + 4)]
    assert len(first) == 4
    assert tried == [law.to_dict() for law in first]


@pytest.mark.parametrize("sampler", ["nehvi", "tpe", "random"])
def test_no_law_of_the_front_is_tried_twice_when_a_study_goes_on(tmp_path, sampler):
    earlier, path = earlier_study(), tmp_path / "journal.log"
    run(journal_from(earlier, path, sampler=sampler), 7)
    again = journal_from(earlier, path, sampler=sampler)
    run(again)
    places = [t.user_attrs[WARM_START_LAW] for t in again.main.get_trials() if WARM_START_LAW in t.user_attrs]
    assert places == [0, 1, 2, 3]
    assert len(again.table()) == 20


def test_what_comes_first_adds_most_to_the_hypervolume():
    earlier = earlier_study()
    one, four = (warm_start(earlier, SPACE, most).first for most in (1, 4))
    laws = [law_from(SPACE, point) for point in four]
    assert four[0] == one[0]
    volumes = [hypervolume(*np.array([[r["natural_accuracy"]], [r["attack_accuracy"]]])) for r in map(objective, laws)]
    assert max(volumes) == volumes[0]


def test_a_warm_search_has_more_of_the_front_after_as_few_trials_as_a_cold_one():
    def found(journal: StudyJournal) -> float:
        run(journal, 10)
        table = journal.table()
        return hypervolume(table.natural_accuracy.to_numpy(float), table.attack_accuracy.to_numpy(float))

    setup = SearchSetup(trials=20, startup=4, repeats=0, space=SPACE)
    cold = [found(StudyJournal(None, "study", setup, seed, 30)) for seed in range(3)]
    assert found(journal_from(earlier_study())) >= np.mean(cold)
    assert found(journal_from(earlier_study(), transfer=True)) >= np.mean(cold)


def test_what_lies_outside_the_space_is_named_and_not_learned_from():
    small = SPACE.model_copy(update={"area_low": (0.02, 0.3), "location": ["inside"], "count": (1, 3)})
    earlier = earlier_study()
    front = [law_from(SPACE, point) for point in warm_start(earlier, SPACE, 4).first]
    found = warm_start(earlier, small, 4, transfer=True)
    notes = "; ".join(found.notes)
    assert 0 < len(found.observed) < 30
    assert f"{len(found.observed)} trials of it as a prior of the model" in notes
    outside = sum(law.location != "inside" for law in front)
    assert outside > 0
    assert re.search(
        rf"laws of its front that had to be moved into this space: (\d+ by \w+, )*{outside} by location", notes
    )
    assert "their laws lie outside this space" in notes
    assert "count was not searched there; its laws have 1" in notes
    assert "location is not searched here; its value is ['inside']" in notes
    for point in found.first:
        assert list(point) == list(distributions(small))
        assert params_of(small, law_from(small, point)) == pytest.approx(point)


def test_trials_elsewhere_are_no_prior_unless_that_is_asked_for():
    assert len(warm_start(earlier_study(), SPACE, 4).observed) == 0
    assert len(warm_start(earlier_study(), SPACE, 4, transfer=True).observed) >= 27  # but for references outside


def test_two_studies_that_search_nothing_alike_are_refused():
    fixed = {"area_low": 0.1, "area_span": 0.3, "aspect_max": 1.0, "location": ["inside"], "fill": ["mean"]}
    one = SPACE.model_copy(update={**fixed, "probability": (0.2, 1.0)})
    other = SPACE.model_copy(update={**fixed, "probability": 0.5, "area_span": (0.0, 0.4)})
    with pytest.raises(InputError, match=r"searched in both studies .there: probability; here: area_span"):
        warm_start(earlier_study(one), other, 4)


def test_a_study_without_a_complete_trial_is_refused():
    earlier = earlier_study()
    with pytest.raises(InputError, match="none of its trials is complete"):
        warm_start(replace(earlier, laws=earlier.laws.assign(state="failed")), SPACE, 4)


def test_a_folder_without_a_study_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing_here.*not a study folder"):
        read_earlier(tmp_path / "nothing_here")
    write_study(tmp_path / "study")
    (tmp_path / "study" / "study.yaml").write_text("name: orl\n")
    with pytest.raises(InputError, match="damaged or no study"):
        read_earlier(tmp_path / "study")


def test_a_copy_of_what_was_read_reads_the_same(tmp_path):
    folder = tmp_path / "study"
    write_study(folder, [*(trial(k, 0.9 - k / 50, 0.8 - k / 20) for k in range(6))])
    config = yaml.safe_load((folder / "study.yaml").read_text())
    config["config"] = {"name": "orl", "search": {"space": SPACE.model_dump(mode="json")}}
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    earlier = read_earlier(folder)
    copy_earlier(earlier, tmp_path / "copy")
    there, here = warm_start(earlier, SPACE, 3), warm_start(read_earlier(tmp_path / "copy"), SPACE, 3)
    assert there.first == here.first
    assert there.notes == here.notes
    assert there.first[0] == params_of(SPACE, ErasingLaw(probability=1.0, area=(0.1, 0.25), fill="mean"))


# ------------------------------------------------------------------------------------------------------------ model


def observations(geometry: Geometry, units: np.ndarray, shift: float = 0.0, flip: bool = False) -> Observations:
    """Trials of a smooth trade-off, whose accuracies elsewhere are lower by `shift` or run the other way."""
    x = units[:, :2].mean(1)
    natural, attack = 0.9 - 0.5 * x**2 - shift, 0.9 - 0.7 * x - shift
    if flip:
        natural, attack = 1 - natural, 1 - attack
    params = [geometry.params(unit) for unit in units]
    return Observations.of(
        geometry, [{"params": p, "natural": n, "attack": a} for p, n, a in zip(params, natural, attack, strict=True)]
    )


GEOMETRY = Geometry(distributions(SPACE))
UNITS = np.random.default_rng(0).random((60, len(GEOMETRY.names)))
NEW = np.random.default_rng(1).random((100, len(GEOMETRY.names)))


def error(model: FrontModel) -> float:
    truth = observations(GEOMETRY, NEW)
    natural, attack = model.expected(NEW)
    return float(np.sqrt(np.mean(np.square([natural - truth.natural, attack - truth.attack]))))


def test_before_any_trial_a_warm_model_expects_what_was_found_elsewhere():
    elsewhere = observations(GEOMETRY, UNITS, 0.1)
    none = elsewhere.take(np.empty(0, dtype=int))
    there = FrontModel(GEOMETRY).update(elsewhere).expected(NEW)
    warm = FrontModel(GEOMETRY, elsewhere)
    assert warm.enough(none)
    assert not FrontModel(GEOMETRY).enough(none)
    here = warm.update(none).expected(NEW)
    for found, known in zip(here, there, strict=True):
        assert np.corrcoef(found, known)[0, 1] > 0.999
    assert np.abs(here[1] - there[1]).max() < 1e-6
    # how wrong it may be here is not forgotten
    assert (warm.deviations(NEW)[0] > 0.05).all()


@pytest.mark.parametrize(("shift", "trials"), [(0.0, 4), (0.1, 4), (0.1, 8)])
def test_a_likeness_elsewhere_is_worth_trials_here(shift, trials):
    here = observations(GEOMETRY, UNITS[:trials])
    elsewhere = observations(GEOMETRY, UNITS[20:], shift)
    cold, warm = FrontModel(GEOMETRY).update(here), FrontModel(GEOMETRY, elsewhere).update(here)
    assert error(warm) < 0.7 * error(cold)


def test_a_prior_that_is_wrong_is_unlearned():
    elsewhere = observations(GEOMETRY, UNITS, flip=True)
    few, some, many = (FrontModel(GEOMETRY, elsewhere).update(observations(GEOMETRY, UNITS[:n])) for n in (2, 12, 50))
    assert few.attack.known_elsewhere and few.attack.slope > 0.3
    # it is not heard any more: what is left is a model without it
    assert error(many) == pytest.approx(error(FrontModel(GEOMETRY).update(observations(GEOMETRY, UNITS[:50]))))
    assert error(many) < error(some) < error(few)


def test_worlds_of_a_warm_model_lie_around_what_it_expects():
    here = observations(GEOMETRY, UNITS[:6])
    model = FrontModel(GEOMETRY, observations(GEOMETRY, UNITS[20:], 0.1)).update(here)
    _, attack = model.sample_posterior(400, np.random.default_rng(0))(NEW[:20])
    value, deviation = to_arcsine(model.expected(NEW[:20])[1]), model.deviations(NEW[:20])[1]
    drawn = to_arcsine(attack)
    assert np.abs(drawn.mean(0) - value).max() < 0.25 * deviation.max()
    assert np.allclose(drawn.std(0), deviation, rtol=0.25)
    assert np.allclose(from_arcsine(value), model.expected(NEW[:20])[1])
