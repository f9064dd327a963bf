"""The folder of an audit: its table and files. docs/study_folder.md specifies them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from filelock import FileLock, Timeout

from mi_tune.runtime.cache import content_key, save_atomically
from mi_tune.runtime.errors import InputError

COLUMNS = [
    *("attack", "budget", "access", "prior", "law_known", "classes", "seed", "state"),
    *("attack_accuracy", "attack_accuracy_low", "attack_accuracy_high", "attack_accuracy_top5"),
    *("start_attack_accuracy", "target_accuracy_on_reconstructions", "identity_error", "identification_rate"),
    *("recognised", "recognised_low", "recognised_high", "recognised_accepted"),
    *("forward_passes", "backward_passes", "surrogate_passes", "seconds", "prepare_seconds"),
    *("judge", "judge_accuracy", "recogniser", "recogniser_accuracy", "model", "key", "artefacts", "reason"),
]
"""The columns in order. docs/study_folder.md explains each."""
ROW_ID = ("attack", "budget", "prior", "law_known", "classes", "seed")
"""The columns that identify a row: a folder holds one row for each combination of their values."""

_TEXT_COLUMNS = {
    "attack",
    "budget",
    "access",
    "prior",
    "state",
    "judge",
    "recogniser",
    "model",
    "key",
    "artefacts",
    "reason",
}


_ADDED_COLUMNS = ("recognised", "recognised_low", "recognised_high", "recognised_accepted", "recogniser_accuracy")


def with_added_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of the recogniser, which tables of earlier versions lack, with every value missing."""
    table = table.assign(**{name: float("nan") for name in _ADDED_COLUMNS if name not in table})
    return table if "recogniser" in table else table.assign(recogniser=pd.array([""] * len(table), dtype="string"))


def table_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Make the table from rows, each with any of the columns."""
    frame = pd.DataFrame(rows, columns=COLUMNS)
    for column in COLUMNS:
        if column in _TEXT_COLUMNS:
            frame[column] = frame[column].astype("string").fillna("")
        elif column == "law_known":
            frame[column] = frame[column].astype(bool)
        elif column in ("classes", "seed"):
            frame[column] = frame[column].astype("int64")
        else:
            frame[column] = pd.to_numeric(frame[column])
    return frame


class AuditFolder:
    """Reads and writes the files of an audit's folder. Every file is written atomically."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = FileLock(self.path / ".lock")

    def claim(self, model: str, force: bool = False) -> None:
        """Create the folder and lock it for this process. The lock ends with the process, even if it crashes.

        Args:
            model: key of the attacked model. force: remove the rows of attacks on another model.

        Raises:
            InputError: the folder cannot be created, another process writes to it, or it holds attacks on another model
                and `force` is not set.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(blocking=False)
        except Timeout:
            raise InputError(f"{self.path}: another run writes there; wait for it, or choose another --out") from None
        except OSError as error:
            raise InputError(f"{self.path}: cannot write there ({error.strerror}); choose another --out") from error
        if any(row["model"] != model for row in self.rows()):
            if not force:
                raise InputError(
                    f"{self.path} holds attacks on another model; choose another --out, or --force to remove them"
                )
            self.write([])

    def release(self) -> None:
        """Unlock the folder."""
        self._lock.release()

    def rows(self) -> list[dict[str, Any]]:
        """The rows written so far. Raises InputError if the table cannot be read."""
        path = self.path / "attacks.parquet"
        if not path.exists():
            return []
        try:
            return pd.read_parquet(path)[COLUMNS].to_dict("records")
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: cannot be read; remove it, or choose another --out") from error

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write attacks.parquet and attacks.csv."""
        table = table_of(rows)
        save_atomically(self.path / "attacks.parquet", lambda p: table.to_parquet(p, index=False))
        save_atomically(self.path / "attacks.csv", lambda p: table.to_csv(p, index=False))

    def put(self, row: Mapping[str, Any]) -> None:
        """Write a row: in place of the one with the same `row_id`, or after all others."""
        rows = self.rows()
        same = [k for k, old in enumerate(rows) if row_id(old) == row_id(row)]
        if same:
            rows[same[0]] = dict(row)
        else:
            rows.append(dict(row))
        self.write(rows)

    def put_artefacts(self, name: str, per_class: pd.DataFrame, arrays: Mapping[str, np.ndarray]) -> None:
        """Write per_class.csv and reconstructions.npz to the sub-folder `name`."""
        folder = self.path / name
        folder.mkdir(parents=True, exist_ok=True)
        save_atomically(folder / "per_class.csv", lambda p: per_class.to_csv(p, index=False))
        path = folder / "reconstructions.npz"
        save_atomically(path, lambda p: np.savez_compressed(p, allow_pickle=True, **arrays), owner_only=True)

    def write_description(self, values: Mapping[str, Any]) -> None:
        """Write attack.yaml."""
        text = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=120)
        save_atomically(self.path / "attack.yaml", lambda p: p.write_text(text))

    def write_examples(self, images: np.ndarray | None, names: Sequence[str]) -> None:
        """Write examples.npz with one real image per class. Without images, remove the file of an earlier run."""
        path = self.path / "examples.npz"
        if images is None:
            path.unlink(missing_ok=True)
            return
        save_atomically(
            path, lambda p: np.savez_compressed(p, images=images, class_names=np.array(names)), owner_only=True
        )


def row_id(row: Mapping[str, Any]) -> tuple:
    """The values of the columns `ROW_ID`."""
    return tuple(row[name] for name in ROW_ID)


def artefact_name(row: Mapping[str, Any]) -> str:
    """Name of the row's sub-folder, different for every `row_id`."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in row_id(row)]
    words = re.findall(r"\w+", f"{row['attack']} {row['budget']}")
    return "-".join([*words, content_key(*plain)[:6]])
