"""Files from strangers run nothing and lead nowhere."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from conftest import make_bank, write_image_folder
from synthetic_study import write_study

from analysis.pages import write_report
from mi_tune.data.own import own_bank
from mi_tune.runtime.cache import cached
from mi_tune.runtime.errors import InputError
from mi_tune.setup import make_setup
from mi_tune.study.folder import StudyFolder
from mi_tune.study.resuming import check_folder

NAMES = ["Zoë Ωmega", "顔認証", "مريم", "=HYPERLINK(1)", "<img src=x onerror=alert(1)>", "n" * 200, "a'b\"c&d", "-1+2"]
"""Names of people in any script, of any length, and some that a spreadsheet or a browser would take as code."""


class Made:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_people_have_names_of_any_script_and_length(tmp_path):
    bank = make_bank(len(NAMES), images=4)
    folder = write_image_folder(bank, tmp_path / "Übungsbilder 顔")
    for own, name in zip(bank.names, NAMES, strict=True):
        (folder / own).rename(folder / name)
    read = own_bank(folder, 16)
    assert sorted(read.names) == sorted(NAMES)
    assert len(read) == len(bank)


def test_code_in_a_cache_entry_is_not_run_and_the_entry_is_made_again(tmp_path):
    (tmp_path / "prior-key.pt").write_bytes(pickle.dumps(Made(tmp_path / "pwned")))
    assert cached("prior", "key", lambda: {"value": 1}, tmp_path) == {"value": 1}
    assert not (tmp_path / "pwned").exists()
    whole = (tmp_path / "prior-key.pt").read_bytes()
    (tmp_path / "prior-key.pt").write_bytes(whole[: len(whole) // 2])
    assert cached("prior", "key", lambda: {"value": 2}, tmp_path) == {"value": 2}, "an entry that was cut"


def test_a_report_of_a_stranger_s_study_runs_nothing_and_writes_beside_nothing(tmp_path):
    study = tmp_path / "study"
    write_study(study)
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (study / "report.html").symlink_to(outside)
    images = next(study.rglob("reconstructions.npz"))
    np.savez(images, images=np.array([Made(tmp_path / "pwned")] * 3))
    config = (study / "study.yaml").read_text()
    name = next(line for line in config.splitlines() if line.startswith("name:"))
    evil = "<script>alert(document.domain)</script>"
    (study / "study.yaml").write_text(config.replace(name, f"name: '{evil}'"))
    try:
        page = write_report(study).read_text()
        assert evil not in page
    except InputError as error:
        assert "\n" not in str(error)
    assert outside.read_text() == "mine"
    assert not (tmp_path / "pwned").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "study"]


@pytest.mark.parametrize("name", ["trials", "checkpoints", "ray", "confirmation"])
def test_a_folder_of_a_study_that_leads_out_of_it_is_not_written_to(tmp_path, name):
    setup = make_setup({"data": {"source": "orl"}}, "test")
    study = StudyFolder(tmp_path / "study")
    study.path.mkdir()
    config = {"name": "study", "seed": 0, "smoke": False, "config": setup.model_dump(mode="json"), "data": {}}
    study.write_config(config)
    check_folder(study, setup, 0, resume=True, smoke=False)
    (tmp_path / "elsewhere").mkdir()
    (study.path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"{name} is a link that leads out of the folder"):
        check_folder(study, setup, 0, resume=True, smoke=False)
