"""A canary: does the installed Optuna still have the private parts that `optuna_private` uses, and do they mean the
same? If not, the failing test names what a new version of Optuna has changed."""

import ast
import warnings
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

import mi_tune
from mi_tune.search import optuna_private
from mi_tune.search.optuna_private import fixed_params, holds, open_trial, replayed_trials, storage_id

ROOT = Path(mi_tune.__file__).parent.parent
Check = Callable[[optuna.Study, JournalStorage], None]
CHECKS: dict[str, Check] = {}


def canary(part: str) -> Callable[[Check], Check]:
    """Register a check of one private part of Optuna by its name."""
    return lambda check: CHECKS.setdefault(part, check)


def run(part: str, folder: Path) -> None:
    """Check one part on two studies in a journal, with three trials each in turn."""
    storage = JournalStorage(JournalFileBackend(str(folder / "log")))
    sampler = RandomSampler(0)
    study, other = (optuna.create_study(study_name=name, storage=storage, sampler=sampler) for name in ("one", "two"))
    for _ in range(3):
        other.tell(other.ask({"x": FloatDistribution(0, 1)}), 1.0)
        study.tell(study.ask({"x": FloatDistribution(0, 1)}), 2.0)
    try:
        CHECKS[part](study, storage)
    except (Exception, pytest.fail.Exception) as error:
        pytest.fail(f"Optuna {optuna.__version__} has changed {part}: {type(error).__name__}: {error}")


@canary("BaseDistribution._contains")
def _(study, storage):
    assert [holds(FloatDistribution(0.1, 0.5), x) for x in (0.0, 0.1, 0.3, 0.5, 0.6)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert [holds(FloatDistribution(0.0, 1.0, step=0.25), x) for x in (0.5, 0.6)] == [True, False]
    assert [holds(IntDistribution(2, 8, step=2), n) for n in (1, 2, 3, 8, 10)] == [False, True, False, True, False]
    assert holds(CategoricalDistribution(["mean", "noise"]), "noise")


@canary("FrozenTrial.system_attrs['fixed_params']")
def _(study, storage):
    seen = []

    class Witness(RandomSampler):
        def before_trial(self, study, trial):
            seen.append(fixed_params(trial))

    study.sampler = Witness()
    study.enqueue_trial({"x": 0.25})
    assert study.ask({"x": FloatDistribution(0, 1)}).params == {"x": 0.25}
    study.ask({"x": FloatDistribution(0, 1)})
    assert seen == [{"x": 0.25}, None]


@canary("Trial._trial_id")
def _(study, storage):
    trial = study.ask()
    assert storage.get_trial(storage_id(trial)).number == trial.number == 3
    assert storage_id(trial) not in [storage_id(frozen) for frozen in study.trials[:3]]


@canary("FrozenTrial._trial_id")
def _(study, storage):
    for frozen in study.trials:
        assert storage.get_trial(storage_id(frozen)) == frozen


@canary("Trial(study, trial_id)")
def _(study, storage):
    asked = study.ask({"x": FloatDistribution(0, 1)})
    again = open_trial(study, storage_id(study.trials[-1]))
    assert (again.number, again.params) == (asked.number, asked.params)
    again.set_user_attr("state", "complete")
    study.tell(again, 3.0)
    told = study.trials[-1]
    assert (told.state, told.value, told.user_attrs) == (TrialState.COMPLETE, 3.0, {"state": "complete"})


@canary("JournalStorage._thread_lock")
def _(study, storage):
    with replayed_trials(storage, 0):
        assert not storage._thread_lock.acquire(blocking=False)
    assert storage._thread_lock.acquire(blocking=False)
    storage._thread_lock.release()


@canary("JournalStorage._sync_with_backend")
def _(study, storage):
    path = storage._backend._file_path
    elsewhere = optuna.load_study(study_name="one", storage=JournalStorage(JournalFileBackend(path)))
    elsewhere.tell(elsewhere.ask(), 4.0)
    with replayed_trials(storage, storage.get_study_id_from_name("one")) as (ids, known):
        assert known[ids[-1]].value == 4.0


@canary("JournalStorage._replay_result")
def _(study, storage):
    assert storage._replay_result is not None
    before = storage._replay_result.log_number_read
    study.set_user_attr("note", 1)
    assert storage._replay_result.log_number_read == before + 1


@canary("JournalStorageReplayResult._study_id_to_trial_ids")
def _(study, storage):
    for one in ("one", "two"):
        number = storage.get_study_id_from_name(one)
        with replayed_trials(storage, number) as (ids, _):
            ids = list(ids)
        assert ids == [storage_id(frozen) for frozen in storage.get_all_trials(number)]
    with pytest.raises(KeyError), replayed_trials(storage, 99):
        pass


@canary("JournalStorageReplayResult._trials")
def _(study, storage):
    number = storage.get_study_id_from_name("one")
    with replayed_trials(storage, number) as (ids, known):
        found = [known[i] for i in ids]
    assert found == storage.get_all_trials(number)


@canary("the warning 'The constraint value is ignored'")
def _(study, storage):
    trial = study.ask()
    trial.set_constraint("floor", 1.0)
    with pytest.warns(UserWarning, match="^The constraint value is ignored"):
        trial.set_constraint("floor", 2.0)
    study.tell(trial, 1.0)
    assert study.trials[-1].constraints == {"floor": 1.0}


@pytest.mark.parametrize("part", CHECKS)
def test_the_installed_optuna_still_has(part, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        run(part, tmp_path)


@pytest.mark.parametrize("changed", [lambda self, value: True, lambda self: None])
def test_a_part_that_a_new_optuna_has_changed_is_named(tmp_path, monkeypatch, changed):
    monkeypatch.setattr(FloatDistribution, "_contains", changed)
    with pytest.raises(pytest.fail.Exception, match=r"Optuna \S+ has changed BaseDistribution\._contains"):
        run("BaseDistribution._contains", tmp_path)


def test_no_other_file_uses_a_private_part_of_optuna():
    tree = ast.parse(Path(optuna_private.__file__).read_text())
    private = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr.startswith("_")}
    assert {"_contains", "_trial_id", "_replay_result"} <= private
    assert not private & _attributes_elsewhere(ROOT)


def _attributes_elsewhere(root: Path) -> set[str]:
    """Names of all attributes that other files use. None of them imports a private name of Optuna."""
    found = set()
    for room in ("mi_tune", "analysis", "studies"):
        for path in (root / room).rglob("*.py"):
            if path == Path(optuna_private.__file__):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute):
                    found.add(node.attr)
                elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("optuna"):
                    names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
                    assert not any(name.startswith("_") for name in names), f"{path} imports {node.module}"
    return found
