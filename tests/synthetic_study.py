"""A study folder written by hand: known numbers, so that what is read from it can be checked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from mi_tune.erasing import REFERENCE_LAWS, ErasingLaw
from mi_tune.trial.table import table_of

CLASSES = 10


def trial(number: int, natural: float, attack: float | None, state: str = "complete", **more) -> dict:
    """A record with intervals of ±0.05, and a law whose area grows with its number."""
    law = more.pop("law", ErasingLaw(probability=1.0, area=(0.1, 0.2 + number / 100), fill="mean"))
    record = {"trial": number, "state": state, "law": law.to_dict(), "reference": "", "reason": "", **more}
    if state == "failed":
        return record | {"reason": more.get("reason", "training diverged: the loss is nan"), "artefacts": ""}
    record |= {f"natural_accuracy{end}": natural + d for end, d in (("", 0), ("_low", -0.05), ("_high", 0.05))}
    if attack is not None:
        record |= {f"attack_accuracy{end}": attack + d for end, d in (("", 0), ("_low", -0.05), ("_high", 0.05))}
        record |= {"start_attack_accuracy": 0.3, "target_accuracy_on_reconstructions": 1.0, "judge_accuracy": 0.97}
        record |= {"attack": "ppa", "budget": "reduced", "judge": "residual_gn"}
    start = pd.Timestamp("2026-01-01T00:00:00+00:00") + pd.Timedelta(minutes=number)
    return record | {
        "artefacts": f"trials/{number:04d}",
        "realised_area": law.probability * sum(law.area) / 2,
        "floor": more.get("floor", 0.6),
        "seconds": 30.0,
        "peak_memory_mb": 900.0,
        "forward_passes": 1000,
        "backward_passes": 500,
        "started": start.isoformat(),
        "finished": (start + pd.Timedelta(minutes=1)).isoformat(),
    }


DEFAULT = [
    trial(0, 0.95, 0.90, reference="no defence", law=REFERENCE_LAWS["no defence"]),
    trial(1, 0.94, 0.70, reference="MIDRE(0.1, 0.4)", law=REFERENCE_LAWS["MIDRE(0.1, 0.4)"]),
    trial(2, 0.92, 0.60),
    trial(3, 0.91, 0.80),
    trial(4, 0.80, 0.30),
    trial(5, 0.40, None, "infeasible", reason="natural accuracy below the floor 0.600: attack skipped"),
    trial(6, 0.0, None, "failed"),
]


def write_study(
    folder: Path,
    records: list[dict] = DEFAULT,
    images_allowed: bool = True,
    source: str = "orl",
    per_class: bool = True,
    faces: bool = True,
    search: dict | None = None,
    **config,
) -> Path:
    """Write `records` and their artefacts as a study folder. The identities' names must never reach a report.

    search: more of the setup's section of that name. config: replaces whole entries of study.yaml.
    """
    folder.mkdir(parents=True)
    table = table_of(records)
    table.to_parquet(folder / "trials.parquet", index=False)
    table.to_csv(folder / "trials.csv", index=False)
    rng = np.random.default_rng(0)
    names = np.array([f"secret-name-{k}" for k in range(CLASSES)])
    for record in records:
        if record["state"] == "failed":
            continue
        place = folder / record["artefacts"]
        place.mkdir(parents=True)
        history = {
            "epochs": [10, 20],
            "natural_accuracy": [[record["natural_accuracy"] / 2, record["natural_accuracy"]]] * 2,
            "train_loss": [[1.0, 0.1]] * 2,
            "erase_map": np.full((16, 16), record["realised_area"]).tolist(),
        }
        (place / "history.json").write_text(json.dumps(history))
        if record["state"] != "complete":
            continue
        if per_class:
            spread = np.linspace(-0.05, 0.05, CLASSES)
            columns = {
                "class_name": names,
                "natural_accuracy": record["natural_accuracy"] + spread,
                "attack_accuracy": record["attack_accuracy"] + rng.permutation(spread),
            }
            pd.DataFrame(columns).to_csv(place / "per_class.csv", index=False)
        if faces:
            np.savez(
                place / "reconstructions.npz",
                images=rng.integers(0, 256, (CLASSES, 2, 1, 16, 16), dtype=np.uint8),
                judge_top1=np.where(rng.random((CLASSES, 2)) < 0.5, np.arange(CLASSES)[:, None], -1),
                target_confidence=np.ones((CLASSES, 2)),
                class_names=names,
            )
    if faces:
        images = rng.integers(0, 256, (CLASSES, 1, 16, 16), dtype=np.uint8)
        np.savez(folder / "examples.npz", images=images, class_names=names)
    settings = {
        "name": "known",
        "smoke": False,
        "created": "2026-01-01T00:00:00+00:00",
        "seed": 0,
        "images_allowed": images_allowed,
        "data": {
            "source": source,
            "private": {"fingerprint": "a", "identities": CLASSES, "images": 60, "train": 30, "val": 20, "test": 10},
            "public": {"fingerprint": "b", "identities": 5, "images": 30},
            "channels": 1,
            "resolution": 16,
            "dropped": [],
            "mean": [0.45],
        },
        "config": {
            "data": {"source": source, "private": "/home/someone/private-faces", "public": None},
            "target": {"architecture": "small_cnn", "epochs": 20, "replicates": 2},
            "search": {"sampler": "gp", "trials": len(records)} | (search or {}),
        },
        "attack": {"name": "ppa", "budget": "reduced", "parts": {}},
        "judge": {"name": "residual_gn", "held_out_accuracy": 0.97, "held_out_low": 0.9, "held_out_high": 1.0},
        "prior": {"name": "eigenface"},
        "baselines": {"chance": 1 / CLASSES, "judge_on_held_out": 0.97},
        "hypervolume_reference": {"natural_accuracy": 0.0, "attack_accuracy": 1.0},
        "floor": {"min_accuracy": 0.6, "min_accuracy_kept": None},
        "versions": {"mi_tune": "0.1.0"},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(settings | config))
    return folder
