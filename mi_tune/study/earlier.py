"""Read an earlier study from its folder, for the warm start of a new one."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from mi_tune.runtime.cache import save_atomically
from mi_tune.search.warm import EarlierStudy
from mi_tune.setup import make_setup
from mi_tune.study.folder import StudyFolder
from mi_tune.trial.laws import laws_of


def read_earlier(folder: Path) -> EarlierStudy:
    """Read the study in a folder as the source of a warm start.

    Raises:
        InputError: the folder holds no study, or its files are damaged.
    """
    study = StudyFolder(folder)
    setup = make_setup(study.read_config()["config"], f"{folder}/study.yaml")
    runs = study.read_table()
    return EarlierStudy(setup.name, setup.search.space, runs, laws_of(runs, folder), folder)


def copy_earlier(earlier: EarlierStudy, folder: Path) -> None:
    """Copy into `folder` what a warm start reads, so that a study can be resumed without the earlier one."""
    folder.mkdir(exist_ok=True)
    for name in ("trials.parquet", "study.yaml"):
        save_atomically(folder / name, partial(shutil.copyfile, earlier.folder / name))
