"""The folder of attacks on one model: its table and files. docs/study_folder.md is its contract."""

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
    *("forward_passes", "backward_passes", "surrogate_passes", "seconds", "prepare_seconds"),
    *("judge", "judge_accuracy", "model", "key", "artefacts", "reason"),
]
"""The columns in order; docs/study_folder.md says what each means."""
IDENTITY = ("attack", "budget", "prior", "law_known", "classes", "seed")
"""A folder holds one row for each combination of these."""

_TEXT = {"attack", "budget", "access", "prior", "state", "judge", "model", "key", "artefacts", "reason"}


def table_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The table of rows, each with any of the columns."""
    frame = pd.DataFrame(rows, columns=COLUMNS)
    for column in COLUMNS:
        if column in _TEXT:
            frame[column] = frame[column].astype("string").fillna("")
        elif column == "law_known":
            frame[column] = frame[column].astype(bool)
        elif column in ("classes", "seed"):
            frame[column] = frame[column].astype("int64")
        else:
            frame[column] = pd.to_numeric(frame[column])
    return frame


class AuditFolder:
    """Paths, and the few things that are written as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = FileLock(self.path / ".lock")

    def claim(self, model: str, force: bool = False) -> None:
        """Make the folder and become its only writer, until this process ends however it ends.

        Raises InputError when it cannot be made, another process writes to it, or it holds attacks on another model
        than `model` (unless `force`, which forgets them).
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
                    f"{self.path} holds attacks on another model; choose another --out, or --force to forget them"
                )
            self.write([])

    def release(self) -> None:
        self._lock.release()

    def rows(self) -> list[dict[str, Any]]:
        """The rows written so far. Raises InputError if the table is damaged."""
        path = self.path / "attacks.parquet"
        if not path.exists():
            return []
        try:
            return pd.read_parquet(path)[COLUMNS].to_dict("records")
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: cannot be read; remove it, or choose another --out") from error

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """attacks.parquet and attacks.csv, each whole at any moment."""
        table = table_of(rows)
        save_atomically(self.path / "attacks.parquet", lambda p: table.to_parquet(p, index=False))
        save_atomically(self.path / "attacks.csv", lambda p: table.to_csv(p, index=False))

    def put(self, row: Mapping[str, Any]) -> None:
        """Write a row in the place of the one of the same identity, or after all others."""
        rows = self.rows()
        same = [k for k, old in enumerate(rows) if identity(old) == identity(row)]
        if same:
            rows[same[0]] = dict(row)
        else:
            rows.append(dict(row))
        self.write(rows)

    def put_artefacts(self, name: str, per_class: pd.DataFrame, arrays: Mapping[str, np.ndarray]) -> None:
        """per_class.csv and reconstructions.npz in the sub-folder `name`."""
        place = self.path / name
        place.mkdir(parents=True, exist_ok=True)
        save_atomically(place / "per_class.csv", lambda p: per_class.to_csv(p, index=False))
        save_atomically(place / "reconstructions.npz", lambda p: np.savez_compressed(p, **arrays))

    def write_description(self, values: Mapping[str, Any]) -> None:
        """attack.yaml."""
        text = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=120)
        save_atomically(self.path / "attack.yaml", lambda p: p.write_text(text))

    def write_examples(self, images: np.ndarray | None, names: Sequence[str]) -> None:
        """examples.npz, one real image a class; None removes what an earlier run wrote."""
        path = self.path / "examples.npz"
        if images is None:
            path.unlink(missing_ok=True)
            return
        arrays = {"images": images, "class_names": np.array(names)}
        save_atomically(path, lambda p: np.savez_compressed(p, **arrays))


def identity(row: Mapping[str, Any]) -> tuple:
    return tuple(row[name] for name in IDENTITY)


def artefact_name(row: Mapping[str, Any]) -> str:
    """A sub-folder of its own for each identity of rows."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in identity(row)]
    words = re.findall(r"\w+", f"{row['attack']} {row['budget']}")
    return "-".join([*words, content_key(*plain)[:6]])
