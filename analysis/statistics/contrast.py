"""Reads a property study and compares each treatment with the base treatment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from analysis.statistics.arrays import as_array, natural_array
from analysis.statistics.claims import Claim, claims
from analysis.statistics.resampling import RESAMPLES, percentile_estimate, resample
from mi_tune.defences.properties import DESCRIPTION
from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.errors import InputError


@dataclass(frozen=True)
class Contrast:
    """Accuracies of one treatment and their differences from the base.

    Args:
        natural: accuracy on test images. attacks: attack accuracy by `name:budget`, without failed attacks.
        mean: mean attack accuracy over the attacks that completed on every treatment.
        natural_change, attack_change: natural accuracy and `mean`, minus those of the base, paired by seed and person;
            None for the base itself.
        claim: significance of `attack_change`, corrected for the number of treatments (Holm); None for the base.
    """

    name: str
    natural: Estimate
    attacks: dict[str, Estimate]
    mean: Estimate
    natural_change: Estimate | None
    attack_change: Estimate | None
    claim: Claim | None


@dataclass(frozen=True)
class PropertyRecord:
    """A property study: `property.yaml` as `config`, the results of each treatment, and the name of the judge."""

    folder: Path
    config: dict[str, Any]
    contrasts: tuple[Contrast, ...]
    judge: str

    @property
    def seeds(self) -> int:
        return int(self.config["seeds"])

    @property
    def people(self) -> int:
        return int(self.config["data"]["identities"])


def is_property(folder: Path | str) -> bool:
    """Whether a folder holds a finished property study."""
    return (Path(folder) / DESCRIPTION).exists()


def load_property(folder: Path | str, judge: str | None = None) -> PropertyRecord:
    """Read a property study and compare its treatments.

    Args:
        judge: name of the judge; by default the second classifier, which no search has used.

    Raises:
        InputError: the folder is not a finished property study, or it has no such judge.
    """
    folder = Path(folder)
    try:
        config = yaml.safe_load((folder / DESCRIPTION).read_text())
        natural, hits = (pd.read_parquet(folder / f"{name}.parquet") for name in ("natural", "hits"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{folder}: not a finished study of a property ({' '.join(str(error).split())})") from error
    names = [one["name"] for one in config["judges"]]
    judge = judge or names[1]
    if judge not in names:
        raise InputError(f"{folder}: no judge '{judge}'; choose from {', '.join(names)}")
    points = [point["name"] for point in config["points"]]
    return PropertyRecord(folder, config, tuple(_contrasts(config, natural, hits, points, judge)), judge)


def _contrasts(
    config: dict[str, Any], natural: pd.DataFrame, hits: pd.DataFrame, points: Sequence[str], judge: str
) -> list[Contrast]:
    seeds, classes, base = int(config["seeds"]), int(config["data"]["identities"]), config["base"]
    series: dict[tuple[str, str], np.ndarray] = {}
    for point in points:
        series[point, ""] = natural_array(natural[natural.point == point], seeds, classes)
        for attack in config["attacks"]:
            mine = hits[(hits.point == point) & (hits.attack == attack)]
            if len(mine):
                series[point, attack] = as_array(mine, mine.image, mine[judge], seeds, classes)
    everywhere = [attack for attack in config["attacks"] if all((point, attack) in series for point in points)]
    if not everywhere:
        raise InputError("no attack completed on every treatment; see attacks.parquet for the reasons")
    drawn = resample({" / ".join(name): array for name, array in series.items()}, RESAMPLES)
    column = {name: drawn.column(" / ".join(name)) for name in series}

    def mean_over(point: str, attacks: Sequence[str]) -> tuple[float, np.ndarray]:
        """Value and draws of the mean over the attacks; the attack "" stands for natural accuracy."""
        columns = [column[point, attack] for attack in attacks]
        return float(drawn.values[columns].mean()), drawn.draws[:, columns].mean(1)

    def change(point: str, attacks: Sequence[str]) -> tuple[float, np.ndarray]:
        (ours, our_draws), (theirs, their_draws) = mean_over(point, attacks), mean_over(base, attacks)
        return ours - theirs, our_draws - their_draws

    others = [point for point in points if point != base]
    claimed = dict(zip(others, claims({p: change(p, everywhere)[1] for p in others}), strict=True))
    found = []
    for point in points:
        completed = [attack for attack in config["attacks"] if (point, attack) in series]
        is_base = point == base
        found.append(
            Contrast(
                point,
                natural=percentile_estimate(*mean_over(point, [""])),
                attacks={attack: percentile_estimate(*mean_over(point, [attack])) for attack in completed},
                mean=percentile_estimate(*mean_over(point, everywhere)),
                natural_change=None if is_base else percentile_estimate(*change(point, [""])),
                attack_change=None if is_base else percentile_estimate(*change(point, everywhere)),
                claim=claimed.get(point),
            )
        )
    return found
