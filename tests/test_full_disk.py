"""Disks that fill up, and caches that cannot be written to."""

from __future__ import annotations

import errno
import io
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import make_bank
from rich.console import Console

from mi_tune import InputError
from mi_tune.library.tuning import plan_study
from mi_tune.runtime.cache import cached
from mi_tune.runtime.errors import disk_is_full, error_of_the_disk
from mi_tune.study.disk import told_of_the_disk
from mi_tune.study.folder import StudyFolder
from mi_tune.study.run import RunOptions

PRIVATE, PUBLIC = make_bank(5, images=8), make_bank(8, seed=1)
KEYWORDS = {"private": (PRIVATE.images, PRIVATE.labels), "public": (PUBLIC.images, PUBLIC.labels), "trials": 9}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, just large enough for a study to begin."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("only root can make a small disk")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill_up(disk: Path, trials: int) -> None:
    """Fill the disk once so many trials have ended."""
    table = disk / "small" / "trials.csv"
    until = time.monotonic() + 120
    while time.monotonic() < until and (not table.exists() or table.read_text().count("complete") < trials):
        time.sleep(0.05)
    with (disk / "filler").open("wb", buffering=0) as filler:
        block = bytes(2**20)
        try:
            while len(block) > 1:
                if filler.write(block) < len(block):
                    block = block[: len(block) // 2]
        except OSError:
            pass


@pytest.mark.slow
@pytest.mark.ray
def test_a_study_whose_disk_fills_ends_in_one_line_and_goes_on_once_there_is_space(small_disk):
    def planned(resume: bool):
        options = RunOptions(smoke=True, resume=resume, workers=1)
        return plan_study(None, KEYWORDS, "small", small_disk, 0, False, options)

    filling = threading.Thread(target=fill_up, args=(small_disk, 2))
    filling.start()
    with pytest.raises(InputError, match=r"the disk is full.*--resume") as caught:
        planned(resume=False).run(Console(file=io.StringIO()))
    filling.join()
    assert "\n" not in str(caught.value)
    (small_disk / "filler").unlink()
    before = StudyFolder(small_disk / "small").read_table()
    done = before[before.state == "complete"]
    assert 2 <= len(done) < 9
    assert not (before.state == "failed").any(), "it is no law's fault"
    assert planned(resume=True).run(Console(file=io.StringIO())).finished
    after = StudyFolder(small_disk / "small").read_table()
    assert (after.state == "complete").all() and len(after) == 9
    kept = after.set_index("trial").loc[done.trial]
    assert kept.finished.tolist() == done.finished.tolist()


def test_a_full_disk_is_known_by_its_number_its_cause_or_its_text():
    full = OSError(errno.ENOSPC, "No space left on device")
    try:
        raise RuntimeError("could not save") from full
    except RuntimeError as error:
        assert disk_is_full(error)
    assert disk_is_full(full) and disk_is_full(OSError(errno.EDQUOT, "quota"))
    assert disk_is_full(RuntimeError("write failed: No space left on device"))
    assert not disk_is_full(OSError(errno.EACCES, "no")) and not disk_is_full(None)


def test_a_cache_that_cannot_be_written_to_is_done_without(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for place in (tmp_path / "file" / "cache", Path("/proc/cache")):
        assert cached("kind", "key", lambda: {"made": 1}, place) == {"made": 1}
    made = []
    for _ in range(2):
        cached("kind", "key", lambda: made.append(1) or {"made": 1}, tmp_path / "cache")
    assert made == [1], "a good one still keeps what is made"


def test_an_error_of_a_path_in_the_folder_is_found_behind_others(tmp_path):
    folder = tmp_path / "study"
    try:
        try:
            (folder / "journal.log").open()
        except OSError as error:
            raise RuntimeError("Ray wraps it") from error
    except RuntimeError as error:
        found = error_of_the_disk(error, folder)
        assert found is not None and found.strerror == "No such file or directory"
        assert error_of_the_disk(error, tmp_path / "another") is None
    assert error_of_the_disk(ValueError("no disk"), folder) is None


def test_a_study_whose_folder_is_gone_ends_in_one_line(tmp_path):
    study = StudyFolder(tmp_path / "study")
    said = r"study: cannot be written to any more \(No such file.*--resume$"
    with pytest.raises(InputError, match=said) as caught, told_of_the_disk(study):
        study.write_config({"name": "study"})
    assert "\n" not in str(caught.value)
