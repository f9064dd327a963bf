"""Read an earlier study from its folder, for the warm start of a new one."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.errors import InputError
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
    config = study.read_config()
    try:
        setup = make_setup(config["config"], f"{folder}/study.yaml")
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{folder}: study.yaml holds no configuration; give the folder of a study, such as results/orl"
        ) from error
    runs = study.read_table()
    return EarlierStudy(setup.name, setup.search.space, runs, laws_of(runs, folder), folder)


def copy_earlier(earlier: EarlierStudy, folder: Path) -> None:
    """Copy into `folder` what a warm start reads, so that a study can be resumed without the earlier one."""
    folder.mkdir(exist_ok=True)
    for name in ("trials.parquet", "study.yaml"):
        save_atomically(folder / name, partial(shutil.copyfile, earlier.folder / name))
