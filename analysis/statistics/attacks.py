"""A folder of attacks on one model as records. Reads and never attacks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from analysis.statistics.records import Faces, arrays_in
from mi_tune.runtime.errors import InputError
from mi_tune.trial.audit.folder import COLUMNS


@dataclass(frozen=True)
class Attacks:
    """attack.yaml as `config`, the table of attacks, and the folder of the rest."""

    folder: Path
    config: dict[str, Any]
    table: pd.DataFrame

    @property
    def chance(self) -> float:
        return 1 / self.config["data"]["private"]["identities"]

    @property
    def samples(self) -> pd.DataFrame:
        """The baselines that are not chance: best samples of each prior, not optimised."""
        return self.table[(self.table.state == "baseline") & (self.table.prior != "")]

    @property
    def tried(self) -> pd.DataFrame:
        """The attacks, the failed ones too."""
        return self.table[self.table.state != "baseline"]

    @property
    def complete(self) -> pd.DataFrame:
        """The attacks that came to an end, the most successful first."""
        complete = self.table[self.table.state == "complete"]
        return complete.sort_values("attack_accuracy", ascending=False, kind="stable")

    def faces(self, row: pd.Series) -> Faces | None:
        """Reconstructions of a row; None where there are none that can be read."""
        arrays = arrays_in(self.folder / row.artefacts / "reconstructions.npz") if row.artefacts else None
        return Faces(arrays["images"], arrays["judge_top1"]) if arrays else None

    def examples(self) -> np.ndarray | None:
        """One real image of every private class, uint8 (classes, channels, height, width); None if not stored."""
        arrays = arrays_in(self.folder / "examples.npz")
        return arrays["images"] if arrays else None

    def title(self, row: pd.Series) -> str:
        """An attack in as few words as tell it from the others of the table."""
        text = str(row.attack)
        for column, form in (("budget", "{}"), ("prior", "{}"), ("classes", "{} classes"), ("seed", "seed {}")):
            same = self.table[(self.table.attack == row.attack) & (self.table.state == row.state)]
            if same[column].nunique() > 1:
                text += ", " + form.format(row[column])
        same = self.table[(self.table.attack == row.attack) & (self.table.state == row.state)]
        return text + ("" if same.law_known.nunique() < 2 else ", law known" if row.law_known else ", law unknown")


def load_attacks(folder: Path | str) -> Attacks:
    """Read the attacks in `folder`. Raises InputError: no such folder, or its files cannot be read."""
    folder = Path(folder)
    try:
        config = yaml.safe_load((folder / "attack.yaml").read_text())
        table = pd.read_parquet(folder / "attacks.parquet")[COLUMNS]
    except (OSError, ValueError, KeyError, yaml.YAMLError) as error:
        raise InputError(
            f"{folder}: no readable attack.yaml and attacks.parquet; was it written by attack.py?"
        ) from error
    return Attacks(folder, config, table)
