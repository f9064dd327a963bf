"""The description of a table: everything that decided its numbers, and what they cost."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from mi_tune.attacks import Attack, Portfolio
from mi_tune.replay.tabulation.cells import TrialBench
from mi_tune.replay.tabulation.design import DesignLaw
from mi_tune.replay.tabulation.trial import RUNG_FRACTIONS, rungs, val_images
from mi_tune.runtime.provenance import provenance
from mi_tune.search.state import State


def trials_per_class(bench: TrialBench) -> dict[str, list[int]]:
    """Number of tries per class that each kind of hits is counted from: val images or judged reconstructions."""
    classes = bench.data.private.identities
    return {
        "natural": val_images(bench.data).tolist(),
        "cheap": [bench.tools.cheap.keep] * classes,
        "attack": [bench.tools.attack.keep] * classes,
    }


def description(
    bench: TrialBench,
    laws: Sequence[DesignLaw],
    seeds: int,
    complete: int,
    rows: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """The table's description, as plain values.

    Args:
        laws: the design. seeds: targets of every law. complete: number of laws whose seeds are all done.
        rows: of the table.
    """
    setup, data, tools = bench.setup, bench.data, bench.tools
    private, public, split = data.private, data.public, data.split
    return {
        "name": setup.name,
        "seed": bench.seed,
        "laws": {"asked": len(laws), "complete": complete, "seeds": seeds},
        "trials": trials_per_class(bench),
        "rungs": [
            {"fraction": fraction, "epochs": epochs}
            for fraction, epochs in zip(RUNG_FRACTIONS, rungs(setup.target.epochs), strict=True)
        ],
        "attacks": {"cheap": _attack(tools.cheap), "attack": _attack(tools.attack)},
        "judge": {
            "name": tools.judge.name,
            "fingerprint": tools.judge.key,
            "held_out_accuracy": float(tools.judge.held_out.value),
            "held_out_low": float(tools.judge.held_out.low),
            "held_out_high": float(tools.judge.held_out.high),
        },
        "prior": {"name": tools.ground.prior.name, "fingerprint": tools.ground.key},
        "data": {
            "private": {
                "fingerprint": private.fingerprint(),
                "identities": private.identities,
                "train": len(split.train),
                "val": len(split.val),
                "test": len(split.test),
            },
            "public": {
                "fingerprint": public.fingerprint(),
                "identities": public.identities,
                "images": len(public),
            },
            "mean": [float(value) for value in private.mean(split.train)],
        },
        "space": setup.search.space.model_dump(mode="json"),
        "references": {law.reference: law.law.to_dict() for law in laws if law.reference},
        "setup": setup.model_dump(mode="json"),
        "seconds": _seconds(rows),
        **provenance(bench.device),
    }


def _attack(attack: Attack | Portfolio) -> dict[str, Any]:
    parts = json.loads(json.dumps(attack.describe()))  # tuples as lists, for YAML
    return {"name": attack.name, "budget": attack.budget, "parts": parts}


def _seconds(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Total seconds of work by phase; the last rung has the seconds of the whole training."""
    total: defaultdict[str, float] = defaultdict(float)
    last = max((row["rung"] for row in rows), default=0)
    for row in rows:
        if row["rung"] == last:
            total["train"] += row["train_seconds"]
        if row["state"] == State.COMPLETE:
            for phase in ("evaluate", "cheap_attack", "attack"):
                total[phase] += row[f"{phase}_seconds"]
    return {phase: round(float(seconds), 1) for phase, seconds in total.items()}
