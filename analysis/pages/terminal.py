"""The table of attacks for a terminal."""

from __future__ import annotations

import pandas as pd
from rich import box
from rich.table import Table

from mi_tune.search.state import State

FULL_WIDTH = 150
"""Width in characters that the full table needs."""


def attack_table(rows: pd.DataFrame, width: int) -> Table:
    """The table of attacks, baselines first, with the judge in the caption; a narrow terminal gets fewer columns."""
    judge = rows.iloc[0]
    wide = width >= FULL_WIDTH
    left_out = "" if wide else "; attacks.csv has all columns"
    table = Table(
        box=box.SIMPLE,
        padding=(0, 1) if wide else (0, 1, 0, 0),
        caption="attack: share of reconstructions that the judge "
        f"({judge.judge}, {judge.judge_accuracy:.1%} correct on real held-out images) assigns to the attacked person, "
        "with a 95 % interval over people; forward: images passed through the model, which for soft-label and "
        f"hard-label attacks are the queries{left_out}",
        caption_justify="left",
    )
    for name in ("attack", "access", "prior"):
        table.add_column(name, overflow="fold")
    recognised = judge.recogniser != ""
    named = (
        "attack %",
        *(("recognised %",) if recognised else ()),
        "top-5",
        "start",
        "target",
        "forward",
        "backward",
        "surrogate",
    )
    for name in (*named, "seconds", "preparing"):
        if wide or name not in ("top-5", "target", "backward", "surrogate", "preparing"):
            table.add_column(name, justify="right", no_wrap=True)
    budgets = rows.budget[rows.budget != ""].nunique()
    for _, row in rows.iterrows():
        name = f"{row.attack}, {row.budget}" if row.budget and (wide or budgets > 1) else row.attack
        if row.state == State.FAILED:
            table.add_row(name, row.access, row.prior, "failed", style="red")
            continue
        accuracy = _share(row.attack_accuracy, 1)
        if pd.notna(row.attack_accuracy_low):
            # brackets are markup to rich
            accuracy += rf" \[{_share(row.attack_accuracy_low)}, {_share(row.attack_accuracy_high)}]"
        cells = [accuracy]
        cells += [_share(row.recognised, 1)] * recognised
        cells += [_share(row.attack_accuracy_top5)] * wide
        cells += [_share(row.start_attack_accuracy)]
        cells += [_share(row.target_accuracy_on_reconstructions)] * wide
        cells += [_count(row.forward_passes)]
        cells += [_count(row.backward_passes), _count(row.surrogate_passes)] if wide else []
        cells += [_number(row.seconds)]
        cells += [_number(row.prepare_seconds)] * wide
        table.add_row(name, row.access, row.prior, *cells)
    return table


def _share(value: float, digits: int = 0) -> str:
    return "" if pd.isna(value) else f"{value * 100:.{digits}f}"


def _count(value: float) -> str:
    return "" if pd.isna(value) else f"{value:,.0f}"


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.1f}"
