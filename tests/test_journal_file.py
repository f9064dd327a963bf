"""The journal's file: written in few pieces, readable by Optuna, and whole whatever happens."""

import errno
import os

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from mi_tune.setup import SearchSetup, Space
from mi_tune.study.journal import StudyJournal
from mi_tune.study.journal_file import JournalFile
from mi_tune.study.journal_storage import OpenTrialsStorage

# holds every reference point, so all trials are in one study
SPACE = Space(probability=(0.0, 1.0), area_low=(0.02, 0.7), area_span=(0.0, 0.7), aspect_max=(1.0, 3.3))


def open_journal(folder, repeats=0.0) -> StudyJournal:
    setup = SearchSetup(sampler="random", trials=20, repeats=repeats, space=SPACE)
    return StudyJournal(folder / "journal.log", "study", setup, 0, 30)


def measured(natural=0.9, attack=0.5) -> dict:
    return {"natural_accuracy": natural, "attack_accuracy": attack, "seconds": 1.0, "reason": ""}


def as_optuna_reads_it(path) -> list[tuple]:
    study = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path))))
    return [(t.number, t.state, t.params, t.values, t.user_attrs, t.system_attrs) for t in study.trials]


def test_asking_and_telling_reach_the_disk_once_each(tmp_path, monkeypatch):
    journal = open_journal(tmp_path)
    synchronised = []
    monkeypatch.setattr(os, "fsync", lambda file: synchronised.append(file))
    for count in range(1, 7):
        asked = journal.ask()
        assert len(synchronised) == 2 * count - 1
        journal.tell(asked.number, "complete", measured())
        assert len(synchronised) == 2 * count


def test_optuna_reads_the_file_as_the_journal_remembers_it(tmp_path):
    journal = open_journal(tmp_path, repeats=0.9)
    for state in ("complete", "complete", "failed", "complete", "stopped", *["complete"] * 9):
        journal.tell(journal.ask().number, state, measured() if state == "complete" else {"reason": "test"})
    assert journal.table().repeat_of.notna().any()
    journal.ask()
    remembered = [
        (t.number, t.state, t.params, t.values, t.user_attrs, t.system_attrs) for t in journal.main.get_trials()
    ]
    assert as_optuna_reads_it(tmp_path / "journal.log") == remembered


def test_what_another_process_notes_is_taken_up(tmp_path):
    journal = open_journal(tmp_path)
    journal.ask()
    other = optuna.load_study(
        study_name="study", storage=JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
    )
    other.set_user_attr("note", "looks good")
    journal.tell(0, "complete", measured())
    assert journal.main.user_attrs["note"] == "looks good"
    assert as_optuna_reads_it(tmp_path / "journal.log")[0][1] == TrialState.COMPLETE


@pytest.mark.parametrize("cut", [1, 7, 200])
def test_a_torn_last_line_costs_no_more_than_itself(tmp_path, cut):
    journal = open_journal(tmp_path)
    journal.tell(journal.ask().number, "complete", measured())
    journal.ask()
    path = tmp_path / "journal.log"
    os.truncate(path, path.stat().st_size - cut)
    again = open_journal(tmp_path)
    while (asked := again.ask()) is not None:
        again.tell(asked.number, "complete", measured())
    assert as_optuna_reads_it(path) == [
        (t.number, t.state, t.params, t.values, t.user_attrs, t.system_attrs) for t in again.main.get_trials()
    ]
    assert sorted(again.table().trial) == list(range(20))


@pytest.mark.parametrize("length", [0, 1, 2**16 - 1, 2**16, 2**16 + 1, 3 * 2**16])
def test_torn_tails_of_any_length_are_dropped(tmp_path, length):
    path = tmp_path / "file"
    path.write_bytes(b'{"op_code":0}\n' + b"x" * length)
    JournalFile(path)
    assert path.read_bytes() == b'{"op_code":0}\n'
    path.write_bytes(b"x" * length)
    JournalFile(path)
    assert path.read_bytes() == b""


def test_a_full_disk_leaves_a_journal_that_can_be_opened(tmp_path, monkeypatch):
    journal = open_journal(tmp_path)
    journal.tell(journal.ask().number, "complete", measured())
    asked = journal.ask()
    before = (tmp_path / "journal.log").read_bytes()

    def full(file):
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no space"):
            journal.tell(asked.number, "complete", measured())
    assert (tmp_path / "journal.log").read_bytes() == before
    again = open_journal(tmp_path)
    assert again.ask().number == asked.number


def test_what_was_logged_before_an_error_is_written(tmp_path):
    journal = open_journal(tmp_path)
    with pytest.raises(TypeError):
        journal.tell(journal.ask().number, "complete", measured() | {"reason": object()})
    again = open_journal(tmp_path)
    assert again.main.get_trials()[0].user_attrs["natural_accuracy"] == 0.9
    assert again.ask().number == 0


def test_trials_are_listed_as_optuna_lists_them_whatever_states_are_asked_for(tmp_path):
    ours = OpenTrialsStorage(JournalFile(tmp_path / "log"))
    studies = [optuna.create_study(study_name=name, storage=ours, sampler=optuna.samplers.RandomSampler(0))
               for name in ("one", "two")]  # fmt: skip
    for step in range(30):
        study = studies[step % 3 % 2]
        if step % 5 == 1:
            study.enqueue_trial({"x": 0.5})
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        if step % 4:
            study.tell(trial, 1.0) if step % 7 else study.tell(trial, state=TrialState.FAIL)
        if step % 6 == 2:
            study.enqueue_trial({"x": 0.25})
        theirs = JournalStorage(JournalFileBackend(str(tmp_path / "log")))
        for one in studies:
            for states in (None, (TrialState.WAITING,), (TrialState.RUNNING, TrialState.FAIL), (TrialState.COMPLETE,)):
                number = ours.get_study_id_from_name(one.study_name)
                assert ours.get_all_trials(number, states=states) == theirs.get_all_trials(number, states=states)
