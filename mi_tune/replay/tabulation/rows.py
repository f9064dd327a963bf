"""The rows of a table, one per law, seed and rung, and the two files that hold them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from mi_tune.replay.tabulation.design import DesignLaw
from mi_tune.replay.tabulation.trial import RUNG_FRACTIONS
from mi_tune.runtime.cache import save_atomically
from mi_tune.search.state import State

HITS = ("natural_hits", "cheap_hits", "attack_hits")
"""Columns of counts per class; the number of tries is `trials` in the table's description."""


def trial_rows(
    law: DesignLaw, seed: int, found: dict[str, Any], epochs: Sequence[int], trials: dict[str, list[int]]
) -> list[dict[str, Any]]:
    """The rows of one trial, one per rung.

    The state of a rung that was not reached is `failed`: its accuracies are NaN, its hits None, and its seconds those
    spent until the training failed.

    Args:
        found: the result of `run_trial`. epochs: of each rung. trials: see `trials_per_class`.
    """
    rows = []
    for number, (fraction, epoch) in enumerate(zip(RUNG_FRACTIONS, epochs, strict=True)):
        reached = number < len(found["rungs"])
        rung = found["rungs"][number] if reached else {"seconds": found["seconds"]}
        seconds = rung["seconds"]
        hits = {
            "natural_hits": rung.get("natural_hits"),
            **{f"{kind}_hits": rung[kind]["hits"] if kind in rung else None for kind in ("cheap", "attack")},
        }
        rows.append(
            {
                "law": law.number,
                "reference": law.reference,
                "in_space": law.in_space,
                **law.params,
                "seed": seed,
                "rung": number,
                "fraction": fraction,
                "epochs": epoch,
                "natural_accuracy": _accuracy(hits["natural_hits"], trials["natural"]),
                "cheap_attack_accuracy": _accuracy(hits["cheap_hits"], trials["cheap"]),
                "attack_accuracy": _accuracy(hits["attack_hits"], trials["attack"]),
                "train_seconds": seconds.get("train", 0.0),
                "evaluate_seconds": seconds.get("evaluate", 0.0),
                "cheap_attack_seconds": seconds.get("cheap", 0.0),
                "attack_seconds": seconds.get("attack", 0.0),
                **_passes("cheap_attack", rung.get("cheap")),
                **_passes("attack", rung.get("attack")),
                "state": State.COMPLETE if reached else State.FAILED,
                "reason": "" if reached else found["reason"],
                **hits,
            }
        )
    return rows


class _Dumper(yaml.SafeDumper):
    """Writes lists of plain values in flow style, such as `[0.1, 0.4]`."""


def _represent_list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    plain = not any(isinstance(value, (list, dict)) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=plain)


_Dumper.add_representer(list, _represent_list)


def _accuracy(hits: list[int] | None, trials: list[int]) -> float:
    """Mean over classes of the share of hits, as in a study."""
    return float(np.mean(np.asarray(hits) / trials)) if hits is not None else math.nan


def _passes(name: str, attacked: dict[str, Any] | None) -> dict[str, int]:
    kinds = ("forward_passes", "backward_passes")
    return {f"{name}_{kind}": attacked[kind] if attacked else 0 for kind in kinds}


def write_table(rows: Sequence[dict[str, Any]], about: dict[str, Any], stem: Path) -> None:
    """Write the rows to `stem`.parquet and their description to `stem`.yaml, each file atomically."""
    frame = pd.DataFrame([{name: value for name, value in row.items() if name not in HITS} for row in rows])
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for name in HITS:
        trials = about["trials"][name.removesuffix("_hits")]
        count = pa.from_numpy_dtype(np.min_scalar_type(max(trials)))
        column = pa.array([row[name] for row in rows], type=pa.list_(count, len(trials)))
        table = table.append_column(name, column)
    save_atomically(
        stem.with_name(f"{stem.name}.parquet"),
        lambda path: pq.write_table(table, path, compression="zstd", compression_level=19),
    )
    text = yaml.dump(about, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    save_atomically(stem.with_name(f"{stem.name}.yaml"), lambda path: path.write_text(text))
