"""A confirmation written by hand: known accuracies, so that what is read from it can be checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from synthetic_study import CLASSES, DEFAULT, write_study

from analysis.statistics import load_confirmation
from analysis.statistics.comparisons import compare
from analysis.statistics.evidence import draw_evidence
from analysis.statistics.verdict import Verdict, verdicts
from mi_tune.defences.controls import Mixup
from mi_tune.defences.treatment import Treatment
from mi_tune.erasing import NO_DEFENCE, REFERENCE_LAWS, ErasingLaw

KEPT = 4
RESAMPLES = 2000
"""How often people and seeds are drawn, in tests."""
BASELINES = {"best prior samples": 0.30, "nearest public images": 0.20}
PORTFOLIO = ("ppa:4x", "taa:reduced", "brepmi:reduced")
LADDER = ("ppa:reduced", "ppa:4x", "ppa:16x")
CONTROLS = ("ppa:4x", "taa:reduced")
JUDGES = ("searching", "second", "embedding")
"""The search's judge, a second classifier, and one that never saw the private images."""


@dataclass(frozen=True)
class Known:
    """A point whose accuracies are known: natural, and of each attack by `name:budget` (under every judge)."""

    name: str
    kind: str
    natural: float
    attacks: Mapping[str, float]
    trial: int | None = None
    treatment: Treatment = field(default=Treatment(NO_DEFENCE))
    epoch: int | None = None


def law(name: str, natural: float, strongest: float, ladder: float = 0.0, trial: int | None = None) -> Known:
    """A law that `ppa` and `taa` find this much of, `brepmi` half as much; `ladder`: what a larger budget adds."""
    found = {"ppa:reduced": strongest - 2 * ladder, "ppa:4x": strongest - ladder, "ppa:16x": strongest}
    found |= {"taa:reduced": strongest - ladder, "brepmi:reduced": strongest / 2}
    treatment = Treatment(ErasingLaw(1.0, area=(0.1, 0.3), fill="mean"))
    return Known(name, "front", natural, found, trial, treatment)


def reference(name: str, natural: float, strongest: float, trial: int | None) -> Known:
    """A reference point, without defence if that is its name."""
    known = law(name, natural, strongest, trial=trial)
    return Known(name, "reference", natural, known.attacks, trial, Treatment(REFERENCE_LAWS[name]))


def stop(epoch: int, natural: float, strongest: float) -> Known:
    """The undefended training stopped early, under the attacks of controls."""
    name = f"no defence, stopped at epoch {epoch}"
    return Known(name, "stopped early", natural, dict.fromkeys(CONTROLS, strongest), epoch=epoch)


POINTS = (
    reference("no defence", 0.90, 0.90, 0),
    reference("MIDRE(0.1, 0.4)", 0.90, 0.80, 1),
    law("trial 2", 0.80, 0.30, trial=2),
    law("trial 4", 0.70, 0.70, ladder=0.2, trial=4),
    stop(12, 0.80, 0.80),
    stop(9, 0.70, 0.60),
    Known("Mixup 0.4", "augmentation", 0.80, dict.fromkeys(CONTROLS, 0.7), treatment=Treatment(control=Mixup(0.4))),
)
STOPS = {
    "MIDRE(0.1, 0.4)": "no defence",
    "trial 2": "no defence, stopped at epoch 12",
    "trial 4": "no defence, stopped at epoch 9",
}


def write_confirmation(
    folder: Path,
    points: tuple[Known, ...] = POINTS,
    stops: Mapping[str, str] = STOPS,
    seeds: int = 3,
    ladder: tuple[str, ...] = LADDER,
    judges: Mapping[str, float] | None = None,
    failed: Mapping[tuple[str, str, int], str] | None = None,
    study: bool = True,
) -> Path:
    """Write a study in `folder` and its confirmation; returns the study's folder.

    Args:
        judges: what each judge adds to every attack accuracy. failed: (point, attack, seed) -> reason.
    """
    if study:
        write_study(folder, DEFAULT)
    judges = dict.fromkeys(JUDGES, 0.0) if judges is None else judges
    failed = failed or {}
    place = folder / "confirmation"
    place.mkdir()
    rng = np.random.default_rng(0)
    targets, natural, attacks, hits = [], [], [], []
    for point in points:
        for seed in range(seeds):
            who = {"point": point.name, "seed": seed}
            about = {"kind": point.kind, "trial": -1 if point.trial is None else point.trial, "epoch": point.epoch or 0}
            correct, classes, images = _tests(rng, point.natural, seed)
            own = {"val_accuracy": point.natural + 0.01, "natural_accuracy": correct.mean()}
            targets.append({**who, **about, **own, "train_seconds": 10.0, "key": "k"})
            natural.append(pd.DataFrame({**who, "image": images, "class": classes, "correct": correct}))
            last = ladder[-1:] if seed > 0 else ()
            met = {name: rate for name, rate in point.attacks.items() if name not in last}
            met = {name: rate for name, rate in met.items() if name in {*PORTFOLIO, *CONTROLS, *ladder}}
            for attack, rate in (met | BASELINES).items():
                reason = failed.get((point.name, attack, seed), "")
                row = {**who, "attack": attack, "access": "white-box", "prior": "eigenface", "reason": reason}
                if not reason:
                    row |= {"forward_passes": 2000, "backward_passes": 1000, "surrogate_passes": 0, "seconds": 2.0}
                    row |= {"target_accuracy_on_reconstructions": 1.0}
                    verdicts = {name: _hits(rng, rate + more, seed) for name, more in judges.items()}
                    table = {"class": np.repeat(np.arange(CLASSES), KEPT), "image": np.tile(np.arange(KEPT), CLASSES)}
                    hits.append(pd.DataFrame({**table, "on_target": True, **verdicts, **who, "attack": attack}))
                attacks.append(row)
    ceilings = [pd.DataFrame({"judge": name, "class": np.arange(CLASSES), "accuracy": 0.95}) for name in judges]
    tables = {"targets": pd.DataFrame(targets), "natural": pd.concat(natural), "attacks": pd.DataFrame(attacks)}
    for name, table in (tables | {"hits": pd.concat(hits), "ceilings": pd.concat(ceilings)}).items():
        table.to_parquet(place / f"{name}.parquet", index=False)
    held_out = {"held_out": 0.96, "held_out_low": 0.9, "held_out_high": 1.0}
    config = {
        "created": "2026-01-02T00:00:00+00:00",
        "study": "known",
        "seeds": seeds,
        "portfolio": list(PORTFOLIO),
        "ladder": list(ladder),
        "controls": list(CONTROLS),
        "points": [
            {"name": p.name, "kind": p.kind, "trial": p.trial, "epoch": p.epoch, "treatment": p.treatment.to_dict()}
            for p in points
        ],
        "matched_stops": dict(stops),
        "augmentations_matched_to": "trial 2",
        "undefended_curve": [0.5, 0.7, 0.8, 0.9],
        "judges": [
            {"name": n, "fingerprint": "f", "saw_private": n != "embedding", "in_search": n == "searching", **held_out}
            for n in judges
        ],
        "data": {"private": "a", "public": "b", "identities": CLASSES, "test": 2 * CLASSES + 1},
        "hypervolume_reference": {"natural_accuracy": 0.0, "attack_accuracy": 1.0},
        "versions": {"mi_tune": "0.2.0", "torch": "2"},
        "precision": "float32",
    }
    (place / "confirmation.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return folder


def _hits(rng: np.random.Generator, rate: float, seed: int) -> np.ndarray:
    """Exactly this share of hits, give or take one by seed, over all people and images in random order."""
    count = CLASSES * KEPT
    wanted = int(np.clip(round(rate * count) + (seed - 1) % 3 - 1, 0, count)) if 0 < rate < 1 else round(rate * count)
    return rng.permutation(np.arange(count) < wanted)


def _tests(rng: np.random.Generator, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ten test images of each person, eleven of the first: correct, class and image, (n,)."""
    classes = np.concatenate([[0], np.repeat(np.arange(CLASSES), 10)])
    wanted = round(rate * len(classes)) + (seed - 1) % 3 - 1
    correct = rng.permutation(np.arange(len(classes)) < wanted)
    # numbers of a larger bank, of which these are the test images
    return correct, classes, 7 + 3 * np.arange(len(classes))


def table(folder: Path, name: str) -> pd.DataFrame:
    """One of the tables of a confirmation, as it lies in the folder."""
    return pd.read_parquet(folder / "confirmation" / f"{name}.parquet")


def share(rows: pd.DataFrame, column: str) -> float:
    """The mean in which every seed and person weighs the same, by another way than the analysis takes."""
    return rows.groupby(["seed", "class"])[column].mean().groupby("class").mean().mean()


def said(tmp_path: Path, points: tuple[Known, ...], stops: Mapping[str, str] = STOPS, **how: Any) -> dict[str, Verdict]:
    """The verdict on each law of a confirmation of these points, by its name."""
    evidence = draw_evidence(load_confirmation(write_confirmation(tmp_path / "study", points, stops, **how)), RESAMPLES)
    return {verdict.law: verdict for verdict in verdicts(evidence, compare(evidence))}
