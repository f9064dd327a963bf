"""The table on disk: as new as can be for a small share of the time, and right in the end."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from mi_tune.runtime.wording import counted
from mi_tune.search.front import front_mask, hypervolume
from mi_tune.setup import SearchSetup
from mi_tune.study.folder import StudyFolder
from mi_tune.study.journal import StudyJournal
from mi_tune.study.progress import StudyProgress
from mi_tune.study.table_keeper import LEAST_SECONDS, MOST_SHARE, TableKeeper


def journal_of(trials=30, **changes) -> StudyJournal:
    setup = SearchSetup(sampler="random", trials=trials, **({"min_accuracy_kept": None, "repeats": 0} | changes))
    return StudyJournal(None, "study", setup, 0, 30)


def measured(rng) -> dict:
    natural, attack = rng.random(2)
    return {"natural_accuracy": float(natural), "attack_accuracy": float(attack), "seconds": float(rng.random())}


@pytest.fixture
def kept(tmp_path):
    journal, study = journal_of(), StudyFolder(tmp_path)
    clock = [0.0]
    return journal, study, clock, TableKeeper(study, journal, lambda: clock[0])


def on_disk(study: StudyFolder) -> pd.DataFrame:
    return pd.read_parquet(study.path / "trials.parquet")


def test_a_told_trial_is_on_disk_at_once_or_when_a_second_has_passed(kept):
    journal, study, clock, keeper = kept
    rng = np.random.default_rng(0)
    for _ in range(3):
        journal.tell(journal.ask().number, "complete", measured(rng))
        keeper.mark_stale()
        clock[0] += 0.4 * LEAST_SECONDS
        assert len(on_disk(study)) == 1
    clock[0] = 1000.0
    keeper.on_step_end(1, [])
    assert on_disk(study).equals(journal.table())
    clock[0] += 1000
    before = (study.path / "trials.parquet").stat().st_mtime_ns
    keeper.on_step_end(2, [])
    assert (study.path / "trials.parquet").stat().st_mtime_ns == before  # nothing is new


def test_a_table_that_takes_long_is_written_for_a_small_share_of_the_time(kept, monkeypatch):
    _, study, clock, keeper = kept
    written = []
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def write_slowly(table):
        clock[0] += 3.0
        written.append(clock[0])

    monkeypatch.setattr(study, "write_table", write_slowly)
    while clock[0] < 600:
        keeper.mark_stale()
        clock[0] += 0.1
    assert 3.0 * len(written) / clock[0] == pytest.approx(MOST_SHARE / (1 + MOST_SHARE), rel=0.1)


def test_the_table_is_right_when_all_is_over_however_that_was(kept):
    journal, study, _, keeper = kept
    for _ in range(2):
        journal.tell(journal.ask().number, "complete", measured(np.random.default_rng(0)))
        keeper.mark_stale()
    assert len(on_disk(study)) == 1
    keeper.write()
    assert on_disk(study).equals(journal.table())


def test_the_display_counts_as_the_table_does_also_where_the_floor_comes_late():
    journal = journal_of(40, min_accuracy_kept=0.8)
    lines = io.StringIO()
    progress = StudyProgress(journal, Console(file=lines, width=250), lambda: 4, 30.0)
    rng = np.random.default_rng(0)
    asked = [journal.ask() for _ in range(40)]
    order = [*rng.permutation(np.arange(1, 25)), 0, *range(25, 38)]  # what tells the floor comes after many
    for number in order:
        state = "failed" if number % 9 == 8 else "complete"
        record = {"reason": "test"} if state == "failed" else measured(rng)
        progress.trial_ended(int(number), journal.tell(asked[number].number, state, record))
        table = journal.table()
        complete = table[table.state == "complete"]
        natural, attack = complete.natural_accuracy.to_numpy(), complete.attack_accuracy.to_numpy()
        front, volume = front_mask(natural, attack).sum(), hypervolume(natural, attack)
        done, on_front = (table.state != "running").sum(), counted(int(front), "law")
        assert f"{done}/40 done, {on_front} on the front, hypervolume {volume:.3f}" in progress.summary
        if table.seconds.notna().any():
            assert progress.trial_seconds == pytest.approx(table.seconds.mean())
    assert (journal.table().state == "infeasible").any()
    assert len(lines.getvalue().splitlines()) == len(order)
