"""A study that was killed after any event goes on as if it had not been: the same laws, the same table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_journal import objective, search

from mi_tune.runtime.errors import InputError
from mi_tune.search import nehvi
from mi_tune.search.samplers import SAMPLERS
from mi_tune.study.journal import Asked, StudyJournal

TRIALS = 22
PEOPLE = 30


def opened(path: Path, sampler: str, trials: int = TRIALS) -> StudyJournal:
    given = search(trials=trials, sampler=sampler, startup=3, repeats=0.3, min_accuracy_kept=0.8)
    return StudyJournal(path, "study", given, 3, PEOPLE)


def outcome(asked: Asked) -> tuple[str, dict]:
    """What a trial gives: a function of its number, law and floor, as a real one's seeds make it."""
    noise = np.random.default_rng([asked.number, asked.repeat]).normal(0, 0.03, 2)
    found = objective(asked.law)
    found["natural_accuracy"] = float(np.clip(found["natural_accuracy"] + noise[0], 0, 1))
    found["attack_accuracy"] = float(np.clip(found["attack_accuracy"] + noise[1], 0, 1))
    if asked.number % 7 == 5:
        return "failed", {"reason": "test"}
    if asked.floor is not None and found["natural_accuracy"] < asked.floor:
        return "infeasible", {"natural_accuracy": found["natural_accuracy"]}
    return "complete", found


def run(journal: StudyJournal) -> pd.DataFrame:
    while (asked := journal.ask()) is not None:
        journal.tell(asked.number, *outcome(asked))
    return journal.table()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, tuple[bytes, pd.DataFrame]]:
    """The journal's bytes and the table of a whole study, by sampler."""
    found = {}
    for sampler in SAMPLERS:
        path = tmp_path_factory.mktemp(sampler) / "journal.log"
        table = run(opened(path, sampler))
        found[sampler] = path.read_bytes(), table
    return found


def resumed(path: Path, data: bytes, sampler: str, trials: int = TRIALS) -> pd.DataFrame:
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return run(opened(path, sampler, trials))


@pytest.mark.parametrize("sampler", SAMPLERS)
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(share=st.floats(0, 1))
def test_a_study_cut_anywhere_ends_like_the_undisturbed_one(undisturbed, tmp_path, sampler, share):
    data, table = undisturbed[sampler]
    again = resumed(tmp_path / "journal.log", data[: round(share * len(data))], sampler)
    pd.testing.assert_frame_equal(again, table, check_exact=True)


@pytest.mark.parametrize(("sampler", "every"), [("random", 1), ("nsga2", 4), ("nehvi", 9)])
def test_a_search_goes_on_alike_after_every_event(undisturbed, tmp_path, sampler, every):
    data, table = undisturbed[sampler]
    path, events, end = tmp_path / "journal.log", [], 0
    for line in data.splitlines(keepends=True):
        end += len(line)
        if b'"left":' not in line:
            events.append(data[:end])
    assert len(events) >= 2 * TRIALS, "every trial is asked for and told"
    for kept in events[::every]:
        pd.testing.assert_frame_equal(resumed(path, kept, sampler), table, check_exact=True)


def test_it_is_killed_again_and_again_and_still_the_same(undisturbed, tmp_path):
    _, table = undisturbed["nehvi"]
    path, rng = tmp_path / "journal.log", np.random.default_rng(0)
    for _ in range(400):
        journal = opened(path, "nehvi")
        for _ in range(rng.integers(1, 4)):
            asked = journal.ask()
            if asked is None:
                pd.testing.assert_frame_equal(journal.table(), table, check_exact=True)
                return
            if rng.random() < 0.6:
                journal.tell(asked.number, *outcome(asked))
            else:
                break  # killed while it ran
        del journal
    pytest.fail("it never ended")


def test_draws_that_serve_several_trials_are_drawn_again(tmp_path, monkeypatch):
    monkeypatch.setattr(nehvi, "TRIALS_PER_REDRAW", 4)
    path = tmp_path / "journal.log"
    table = run(opened(path, "nehvi", 26))
    data = path.read_bytes()
    for share in (0.7, 0.8, 0.9, 0.97):
        again = resumed(path, data[: round(share * len(data))], "nehvi", 26)
        pd.testing.assert_frame_equal(again, table, check_exact=True)


def test_half_a_batch_is_no_event_and_what_others_have_noted_stays(tmp_path):
    path = tmp_path / "journal.log"
    journal = opened(path, "random")
    journal.ask()
    whole = path.read_bytes()
    journal.tell(0, "complete", {"natural_accuracy": 0.9, "attack_accuracy": 0.5})
    batch = path.read_bytes()[len(whole) :].splitlines(keepends=True)
    note = b'{"op_code":2,"worker_id":"another","study_id":0,"user_attr":{"note":"mine"}}\n'
    for count in range(len(batch)):
        path.write_bytes(whole + note + b"".join(batch[:count]))
        opened(path, "random")
        kept = path.read_bytes()
        assert kept.startswith(whole + note)
        assert b"0.9" not in kept[len(whole) :]


def test_a_damaged_line_in_the_middle_is_said_with_its_place(tmp_path):
    path = tmp_path / "journal.log"
    run(opened(path, "random", 6))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[7] = lines[7][:10] + b"\xff\x00\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(InputError, match=r"journal.log: entry 8 is damaged"):
        opened(path, "random", 6)
