"""The results of a confirmation as tidy tables; docs/study_folder.md explains every column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mi_tune.confirmation.baselines import BASELINES
from mi_tune.confirmation.cells import Workbench
from mi_tune.confirmation.plan import Plan
from mi_tune.trial.attempts import attempt_of
from mi_tune.trial.point import Point


class Tables(NamedTuple):
    """The tables of a confirmation.

    Args:
        targets: one row per target.
        natural: one row per target and test image.
        attacks: one row per target and attack.
        hits: one row per reconstruction, with one column per judge.
        ceilings: one row per judge and class.
        features: one row per target, attack, encoder, class and pair of groups.
    """

    targets: pd.DataFrame
    natural: pd.DataFrame
    attacks: pd.DataFrame
    hits: pd.DataFrame
    ceilings: pd.DataFrame
    features: pd.DataFrame


def collect(bench: Workbench, plan: Plan, points: Sequence[Point]) -> Tables:
    """Build the tables from the cells; cells that are missing are computed."""
    targets, natural, attacks, hits = [], [], [], []
    test = bench.data.split.test
    labels = bench.data.private.labels[test]
    for point in points:
        for number in range(plan.seeds):
            cell = bench.target(point, number)
            who = {"point": point.name, "seed": number}
            about = {"kind": point.kind, "trial": -1 if point.trial is None else point.trial, "epoch": point.epoch or 0}
            measured = {
                "val_accuracy": float(cell.natural.mean()),
                "natural_accuracy": float(cell.correct.float().mean()),
                "train_seconds": cell.seconds,
            }
            targets.append({**who, **about, **measured, "key": cell.key})
            natural.append(pd.DataFrame({**who, "image": test, "class": labels, "correct": cell.correct.numpy()}))
            for attack in (*plan.attacks_on(point), *BASELINES):
                row, table = _attacked(bench, point, number, attack)
                attacks.append({**who, **row})
                if table is not None:
                    hits.append(table.assign(**who, attack=attack))
    ceilings = [
        pd.DataFrame({"judge": judge.name, "class": np.arange(len(judge.ceiling)), "accuracy": judge.ceiling})
        for judge in bench.panel.judges
    ]
    return Tables(
        pd.DataFrame(targets),
        pd.concat(natural, ignore_index=True),
        pd.DataFrame(attacks),
        pd.concat(hits, ignore_index=True),
        pd.concat(ceilings, ignore_index=True),
        _features(bench, plan, points),
    )


def collect_views(bench: Workbench, plan: Plan, points: Sequence[Point]) -> dict[str, dict[str, Any]]:
    """The projected features and images of each law's first target, as `FeatureView.from_arrays` takes them, under
    `point | attack`."""
    found = {}
    for point in points:
        for attack in plan.seen_in_features(point):
            cell = bench.features(point, attempt_of(attack, bench.setup.prior.kind), 0)
            if not cell["reason"]:
                arrays = {name: tensor.numpy() for name, tensor in cell["view"].items()}
                found[f"{point.name} | {attack}"] = arrays | {"projection": np.array(cell["projection"])}
    return found


def _features(bench: Workbench, plan: Plan, points: Sequence[Point]) -> pd.DataFrame:
    found = []
    for point in points:
        for number in range(plan.seeds):
            for attack in plan.seen_in_features(point):
                cell = bench.features(point, attempt_of(attack, bench.setup.prior.kind), number)
                if not cell["reason"]:
                    rows = pd.DataFrame(cell["rows"])
                    found.append(pd.DataFrame({"point": point.name, "seed": number, "attack": attack}, rows.index))
                    found[-1][list(rows.columns)] = rows
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["point", "seed", "attack"])


def _attacked(bench: Workbench, point: Point, number: int, attack: str) -> tuple[dict, pd.DataFrame | None]:
    if attack in BASELINES:
        prior: str = bench.setup.prior.kind
        found, access = bench.baseline(point, attack, number), "soft-label"
    else:
        attempt = attempt_of(attack, bench.setup.prior.kind)
        found, access, prior = bench.attack(point, attempt, number), attempt.attack.access, attempt.prior_name
    row = {"attack": attack, "access": access, "prior": prior, "reason": found["reason"]}
    if found["reason"]:
        return row, None
    for name in ("forward_passes", "backward_passes", "surrogate_passes", "seconds"):
        row[name] = found[name]
    classes, kept = found["images"].shape[:2]
    own = (found["own"] == bench.classes[:, None]).numpy()
    row["target_accuracy_on_reconstructions"] = float(own.mean())
    table = pd.DataFrame(
        {
            "class": np.repeat(np.arange(classes), kept),
            "image": np.tile(np.arange(kept), classes),
            "on_target": own.ravel(),
            **{name: hits.numpy().ravel() for name, hits in bench.verdicts(found["images"]).items()},
        }
    )
    return row, table
