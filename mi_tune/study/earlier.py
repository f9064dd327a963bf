"""An earlier study read from its folder, for a new one to start from."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.errors import InputError
from mi_tune.search.warm import Earlier
from mi_tune.setup import make_setup
from mi_tune.study.folder import StudyFolder
from mi_tune.trial.laws import laws_of


def read_earlier(folder: Path) -> Earlier:
    """The study in a folder.

    Raises:
        InputError: there is no study, or it is damaged.
    """
    study = StudyFolder(folder)
    config = study.read_config()
    try:
        setup = make_setup(config["config"], f"{folder}/study.yaml")
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder}: study.yaml holds no configuration; this is not a study folder") from error
    runs = study.read_table()
    return Earlier(setup.name, setup.search.space, runs, laws_of(runs, folder), folder)


def copy_earlier(earlier: Earlier, folder: Path) -> None:
    """Keep in `folder` what a warm start reads, so that a resumed study no longer needs the earlier one."""
    folder.mkdir(exist_ok=True)
    for name in ("trials.parquet", "study.yaml"):
        save_atomically(folder / name, partial(shutil.copyfile, earlier.folder / name))
