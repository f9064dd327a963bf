"""The study folder: its files, and the lock that lets one process write to it. docs/study_folder.md describes it."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from filelock import FileLock, Timeout

from mi_tune.runtime.cache import save_atomically
from mi_tune.runtime.errors import InputError
from mi_tune.setup import Setup
from mi_tune.trial.table import with_added_columns
from mi_tune.trial.undefended import CONTROLS

NEEDED = ("name", "seed", "smoke", "config", "data")
"""Keys of study.yaml without which nothing can be done with a study."""


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Make the folder and lock it for this process.

    Raises:
        InputError: the folder cannot be made, or another process writes there.
    """
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(
            f"{folder}: another run is writing there; wait for it to end, or choose another folder"
        ) from None
    except OSError as error:
        raise InputError(f"{folder}: cannot write there ({error.strerror}); choose another folder") from error
    try:
        yield
    finally:
        lock.release()


class StudyFolder:
    """Paths of a study, and reading and writing of its smaller files."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.journal = self.path / "journal.log"
        self.ray = self.path / "ray"
        self.ray_log = self.ray / "ray.log"
        self.warm = self.path / "warm_start"
        self.controls = self.path / CONTROLS
        self._lock = FileLock(self.path / ".lock")
        self._made: list[Path] = []

    @property
    def exists(self) -> bool:
        return (self.path / "study.yaml").exists()

    def check_links(self) -> None:
        """Raise InputError if one of its folders is a link that leads out of it: a study that comes from somebody else
        must not decide what is written to."""
        for name in ("trials", "checkpoints", "ray", "confirmation"):
            place = self.path / name
            if place.is_symlink() and not place.resolve().is_relative_to(self.path.resolve()):
                raise InputError(
                    f"{place}: {name} is a link that leads out of the folder; replace it by the folder itself"
                )

    def read_config(self) -> dict[str, Any]:
        """Read study.yaml. Raises InputError if it is missing or damaged."""
        try:
            config = yaml.safe_load((self.path / "study.yaml").read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
            raise InputError(
                f"{self.path}: no readable study.yaml, so this is not a study folder; give one such as results/orl"
            ) from error
        if isinstance(config, dict) and not isinstance(config.get("config", {}), dict):
            raise InputError(f"{self.path}: the configuration in study.yaml is damaged; restore it")
        if not isinstance(config, dict) or (missing := [name for name in NEEDED if name not in config]):
            lacks = ", ".join(missing) if isinstance(config, dict) else "everything"
            raise InputError(
                f"{self.path}: study.yaml is damaged or no study's (it lacks {lacks}); restore it, or give another "
                "folder"
            )
        return config

    def write_config(self, config: dict[str, Any]) -> None:
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120)
        save_atomically(self.path / "study.yaml", lambda p: p.write_text(text, encoding="utf-8"))

    def remember_changes(self, setup: Setup) -> None:
        """Write what a resumed study may change: where its images lie now, how many trials it has, and controls."""
        config = self.read_config()
        now = setup.model_dump(mode="json")
        before = copy.deepcopy(config)
        config["config"]["data"] |= {key: now["data"][key] for key in ("private", "public", "root")}
        config["config"].setdefault("search", {}).update({key: now["search"][key] for key in ("trials", "controls")})
        if config != before:
            self.write_config(config)

    def read_table(self) -> pd.DataFrame:
        """Read trials.parquet, and add columns of newer versions. Raises InputError if it is missing."""
        try:
            return with_added_columns(pd.read_parquet(self.path / "trials.parquet"))
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path}: no readable trials.parquet; the study has no trials yet") from error

    def write_table(self, table: pd.DataFrame) -> None:
        """Write trials.parquet and trials.csv, each atomically."""
        save_atomically(self.path / "trials.parquet", lambda p: table.to_parquet(p, index=False))
        save_atomically(self.path / "trials.csv", lambda p: table.to_csv(p, index=False))

    def claim(self) -> None:
        """Make the folder and lock it for this process. The lock ends with the process, however that ends.

        Raises InputError if the folder cannot be made, or another process is writing to it.
        """
        try:
            self._made = [place for place in (self.path, *self.path.parents) if not place.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(blocking=False)
        except Timeout:
            raise InputError(
                f"{self.path}: another run is writing to this study; wait for it to end, "
                "or start another study by --name NAME"
            ) from None
        except OSError as error:
            raise InputError(f"{self.path}: cannot write there ({error.strerror}); choose another --out") from error

    def release(self) -> None:
        self._lock.release()

    def discard(self) -> None:
        """Make the folder no study again: remove what a start that failed before its first trial has written."""
        for name in ("study.yaml", "journal.log", "trials.parquet", "trials.csv", "examples.npz", ".lock"):
            (self.path / name).unlink(missing_ok=True)
        for folder in (self.ray, self.warm):
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # what others have put there stays
            for place in self._made:
                place.rmdir()

    def require_free_disk(self, megabytes: float) -> None:
        """Raise InputError unless the folder's disk has that much free space."""
        place = self.path
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free / 1e6
        if free < megabytes:
            raise InputError(
                f"{place}: {free:.0f} MB free, but about {megabytes:.0f} MB are needed; "
                "free some space or choose another --out"
            )

    def forget_progress(self, name: str) -> None:
        """Remove what a trial that has ended had kept of its progress. name: see `checkpoint_of`."""
        with suppress(OSError):
            (self.path / name).unlink(missing_ok=True)
