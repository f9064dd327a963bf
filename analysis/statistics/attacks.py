"""Reads the folder of attacks on one model. It never runs an attack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from analysis.statistics.records import Faces, arrays_in
from mi_tune.runtime.errors import InputError
from mi_tune.search.state import State
from mi_tune.trial.audit.folder import COLUMNS, with_added_columns


@dataclass(frozen=True)
class Attacks:
    """Attacks on one model: attack.yaml as `config`, attacks.parquet as `table`, and the folder of both."""

    folder: Path
    config: dict[str, Any]
    table: pd.DataFrame

    @property
    def chance(self) -> float:
        return 1 / self.config["data"]["private"]["identities"]

    @property
    def samples(self) -> pd.DataFrame:
        """The baselines other than chance: the best samples of each prior, not optimised."""
        return self.table[(self.table.state == "baseline") & (self.table.prior != "")]

    @property
    def tried(self) -> pd.DataFrame:
        """All attacks, including those that failed."""
        return self.table[self.table.state != "baseline"]

    @property
    def complete(self) -> pd.DataFrame:
        """The completed attacks, the most successful first."""
        complete = self.table[self.table.state == State.COMPLETE]
        return complete.sort_values("attack_accuracy", ascending=False, kind="stable")

    def faces(self, row: pd.Series) -> Faces | None:
        """The reconstructions of a row; None if there is no readable file."""
        arrays = arrays_in(self.folder / row.artefacts / "reconstructions.npz") if row.artefacts else None
        return Faces(arrays["images"], arrays["judge_top1"]) if arrays else None

    def examples(self) -> np.ndarray | None:
        """One real image of each private class, uint8 (classes, channels, height, width); None if not stored."""
        arrays = arrays_in(self.folder / "examples.npz")
        return arrays["images"] if arrays else None

    def title(self, row: pd.Series) -> str:
        """The shortest title that distinguishes an attack from the others in the table."""
        text = str(row.attack)
        for column, form in (("budget", "{}"), ("prior", "{}"), ("classes", "{} classes"), ("seed", "seed {}")):
            same = self.table[(self.table.attack == row.attack) & (self.table.state == row.state)]
            if same[column].nunique() > 1:
                text += ", " + form.format(row[column])
        same = self.table[(self.table.attack == row.attack) & (self.table.state == row.state)]
        return text + ("" if same.law_known.nunique() < 2 else ", law known" if row.law_known else ", law unknown")


def load_attacks(folder: Path | str) -> Attacks:
    """Read the attacks in `folder`. Raises InputError if the folder is missing or its files cannot be read."""
    folder = Path(folder)
    try:
        config = yaml.safe_load((folder / "attack.yaml").read_text())
        table = with_added_columns(pd.read_parquet(folder / "attacks.parquet"))[COLUMNS]
    except (OSError, ValueError, KeyError, yaml.YAMLError) as error:
        raise InputError(
            f"{folder}: no readable attack.yaml and attacks.parquet; was it written by attack.py?"
        ) from error
    return Attacks(folder, config, table)
