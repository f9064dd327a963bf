"""Tables of real trials that come with the package; `studies/benchmarks/tabulate_trials.py` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from mi_tune.runtime.errors import InputError

FOLDER = Path(__file__).parent


@dataclass(frozen=True, eq=False)
class TrialTable:
    """A table of real trials.

    Args:
        rows: one row per law, seed and rung: the searched parameters, accuracies, seconds, and counts of hits per class
            (`natural_hits`, `cheap_hits`, `attack_hits`: uint8 arrays (classes,), None where nothing was measured).
        about: description of everything that decided them: set-up, space, attacks, judge, versions; and `trials`, the
            number of tries per class that the hits are counted from.
    """

    rows: pd.DataFrame
    about: dict[str, Any]


def table_names(folder: Path = FOLDER) -> list[str]:
    """Names of the tables in a folder, by default those that come with the package."""
    return sorted(path.stem for path in folder.glob("*.parquet") if path.with_suffix(".yaml").exists())


def table_path(name: str) -> Path:
    """Path of the .parquet file of a packaged table (given its name) or of any table (given its path).

    The file need not exist.
    """
    return Path(name) if name.endswith(".parquet") else FOLDER / f"{name}.parquet"


def load_table(name: str, folder: Path = FOLDER) -> TrialTable:
    """The table `name` of the package, or of another folder: `load_table("table", Path("results/tabulated/orl"))`.

    Raises:
        InputError: there is no such table; the message lists the tables that there are.
    """
    known = table_names(folder)
    if name not in known:
        hint = (
            f"there are {', '.join(known)}"
            if known
            else f"{folder} holds none; studies/benchmarks/tabulate_trials.py makes one"
        )
        raise InputError(f"unknown table '{name}'; {hint}")
    table = pq.read_table(folder / f"{name}.parquet")
    rows = table.to_pandas()
    for field in table.schema:
        if pa.types.is_fixed_size_list(field.type):
            # next to missing values, pandas turns counts into floats
            whole = np.dtype(field.type.value_type.to_pandas_dtype())
            rows[field.name] = [None if hits is None else hits.astype(whole) for hits in rows[field.name]]
    return TrialTable(rows, yaml.safe_load((folder / f"{name}.yaml").read_text()))
