"""Reads a confirmation from its folder. It never trains; docs/study_folder.md specifies the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from analysis.statistics.arrays import as_array, natural_array
from analysis.statistics.records import Study, load_study
from mi_tune.attacks import BUDGETS, split_budget
from mi_tune.defences.treatment import Treatment
from mi_tune.judging.features import MEASURES, FeatureView
from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.errors import InputError
from mi_tune.trial.point import UNDEFENDED, Point

FOLDER = "confirmation"
RERUN_HINT = "run studies/confirm.py again; it reuses what it computed before"

REQUIRED_SETTINGS = (
    *("study", "seeds", "portfolio", "ladder", "controls", "points", "matched_stops", "judges", "data"),
    *("hypervolume_reference", "versions"),
)
TABLE_COLUMNS = {
    "targets": ("point", "seed", "val_accuracy", "natural_accuracy", "train_seconds"),
    "natural": ("point", "seed", "image", "class", "correct"),
    "attacks": (
        *("point", "seed", "attack", "access", "prior", "reason", "forward_passes", "backward_passes"),
        *("surrogate_passes", "seconds", "target_accuracy_on_reconstructions"),
    ),
    "hits": ("point", "seed", "attack", "class", "image", "on_target"),
    "ceilings": ("judge", "class", "accuracy"),
}
"""The columns that are read from each table; hits also has one column per judge."""
FEATURE_COLUMNS = ("point", "seed", "attack", "encoder", "class", "pair", *MEASURES)


@dataclass(frozen=True)
class JudgeRecord:
    """A judge of the confirmation.

    Args:
        saw_private: whether it was trained on private images. in_search: whether the search used it. held_out: its
            accuracy on real held-out images. question: what it is asked about an image. outside: whether it is a
            recogniser from outside, trained on nothing of the study.
    """

    name: str
    saw_private: bool
    in_search: bool
    held_out: Estimate
    question: str = ""
    outside: bool = False


@dataclass(frozen=True)
class Confirmation:
    """A confirmation and the study that it confirms.

    Args:
        config: confirmation.yaml. tables: the tables of the folder, by name.
        features: measures of where reconstructions lie in feature space; None if they were not computed. views: planes
            of feature space, by (point, attack).
    """

    folder: Path
    study: Study
    config: dict[str, Any]
    points: tuple[Point, ...]
    judges: tuple[JudgeRecord, ...]
    tables: Mapping[str, pd.DataFrame]
    features: pd.DataFrame | None = None
    views: Mapping[tuple[str, str], FeatureView] = field(default_factory=dict)

    @property
    def seeds(self) -> int:
        """Number of fresh targets, each with its own seed, per point."""
        return int(self.config["seeds"])

    @property
    def classes(self) -> int:
        """Number of attacked people."""
        return int(self.config["data"]["identities"])

    @property
    def chance(self) -> float:
        return 1 / self.classes

    @cached_property
    def headline(self) -> JudgeRecord:
        """The judge of the headline numbers and the verdicts: a recogniser from outside, if there is one.

        Else the first classifier that was trained on the private images and that the search did not use; else the first
        judge that the search did not use; else the first judge.
        """
        if outside := next((judge for judge in self.judges if judge.outside), None):
            return outside
        fresh = [judge for judge in self.judges if not judge.in_search]
        return next((judge for judge in fresh if judge.saw_private), (*fresh, *self.judges)[0])

    @property
    def search_judge(self) -> JudgeRecord | None:
        """The judge of the search, if the confirmation has it."""
        return next((judge for judge in self.judges if judge.in_search), None)

    def point(self, name: str) -> Point:
        """The point with this name. Raises InputError if there is none."""
        for point in self.points:
            if point.name == name:
                return point
        raise InputError(f"{self.folder}: no point {name!r}; there are {', '.join(p.name for p in self.points)}")

    @property
    def laws(self) -> tuple[Point, ...]:
        """The points that are not controls, including the undefended one."""
        return tuple(point for point in self.points if not point.is_control)

    @property
    def defended(self) -> tuple[Point, ...]:
        """The laws that erase or have another defence."""
        return tuple(point for point in self.laws if not point.treatment.undefended)

    @property
    def controls(self) -> tuple[Point, ...]:
        """The points to compare laws with: trained without erasing, or with another augmentation."""
        return tuple(point for point in self.points if point.is_control)

    def matched_stop(self, law: str) -> str | None:
        """The undefended point, stopped early, that is as accurate as a law; None if it is missing."""
        name = self.config["matched_stops"].get(law)
        return name if name in {point.name for point in self.points} else None

    # ------------------------------------------------------------------------------------------------- attacks

    @cached_property
    def planned(self) -> tuple[str, ...]:
        """The requested attacks as `name:budget`, in the requested order, with all budgets of an attack together."""
        lists = (self.config["portfolio"], self.config["controls"], self.config["ladder"])
        asked = list(dict.fromkeys(attack for attacks in lists for attack in attacks))
        names = list(dict.fromkeys(split_budget(attack)[0] for attack in asked))

        def place(attack: str) -> tuple[int, int]:
            name, budget = split_budget(attack)
            return names.index(name), BUDGETS.index(budget) if budget in BUDGETS else len(BUDGETS)

        return tuple(sorted(asked, key=place))

    @cached_property
    def attacks(self) -> tuple[str, ...]:
        """The planned attacks that completed on at least one target."""
        found = {attack for _, attack in self._hits}
        return tuple(attack for attack in self.planned if attack in found)

    @cached_property
    def baselines(self) -> tuple[str, ...]:
        """Names of the baselines, which need no optimisation."""
        return tuple(name for name in dict.fromkeys(self.tables["attacks"].attack) if name not in self.planned)

    def attacks_on(self, point: str) -> tuple[str, ...]:
        """The attacks that completed on at least one target of a point."""
        return tuple(attack for attack in self.attacks if (point, attack) in self._hits)

    def seeds_of(self, point: str, attack: str) -> tuple[int, ...]:
        """Indices of the seeds with which an attack (or a baseline) completed on a point."""
        found = self._hits.get((point, attack))
        return () if found is None else tuple(sorted(int(seed) for seed in found.seed.unique()))

    # -------------------------------------------------------------------------------------------------- arrays

    def natural_correct(self, point: str) -> np.ndarray:
        """Whether each test image was classified correctly, 0 or 1, (seeds, classes, images).

        Every seed has the same images in the same order. NaN fills the array where people have fewer images.
        """
        return natural_array(self._natural[point], self.seeds, self.classes)

    def hits(self, point: str, attack: str, judge: str) -> np.ndarray | None:
        """Whether a judge assigns each reconstruction of an attack (or baseline) to the attacked class, 0 or 1.

        Returns:
            (seeds, classes, images), NaN for seeds with which the attack failed; None if it completed with no seed.
        """
        table = self._hits.get((point, attack))
        return None if table is None else as_array(table, table.image, table[judge], self.seeds, self.classes)

    def ceiling(self, judge: str) -> np.ndarray:
        """Accuracy of a judge on the real images of each class, (1, classes)."""
        table = self.tables["ceilings"]
        own = table[table.judge == judge].set_index("class").accuracy
        return own.reindex(range(self.classes)).to_numpy(float)[None]

    @cached_property
    def _natural(self) -> dict[str, pd.DataFrame]:
        return dict(iter(self.tables["natural"].groupby("point", sort=False)))

    @cached_property
    def _hits(self) -> dict[tuple[str, str], pd.DataFrame]:
        return dict(iter(self.tables["hits"].groupby(["point", "attack"], sort=False)))


def has_confirmation(study_folder: Path | str) -> bool:
    """Whether a study has a completed confirmation."""
    return (Path(study_folder) / FOLDER / "confirmation.yaml").exists()


def load_confirmation(study_folder: Path | str) -> Confirmation:
    """Read the confirmation of the study in `study_folder`.

    Raises:
        InputError: the folder is not a study, its confirmation is missing or incomplete, or files cannot be read or do
            not fit together.
    """
    study = load_study(study_folder)
    folder = study.folder / FOLDER
    if not has_confirmation(study.folder):
        raise InputError(f"{study.folder}: not confirmed to the end; run python studies/confirm.py {study.folder}")
    try:
        config = yaml.safe_load((folder / "confirmation.yaml").read_text())
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLE_COLUMNS}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{folder}: cannot be read ({' '.join(str(error).split())}); {RERUN_HINT}") from error
    missing = [name for name in REQUIRED_SETTINGS if not isinstance(config, dict) or name not in config]
    if missing:
        raise InputError(f"{folder}: confirmation.yaml lacks {missing[0]}; {RERUN_HINT}")
    try:
        points = tuple(
            Point(p["name"], p["kind"], Treatment.from_dict(p["treatment"]), p["trial"], p["epoch"])
            for p in config["points"]
        )
        judges = tuple(_judge(judge) for judge in config["judges"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder}: confirmation.yaml has a point or judge without {error}; {RERUN_HINT}") from error
    features, views = _features(folder, config)
    found = Confirmation(folder, study, config, points, judges, tables, features, views)
    _check(found)
    return found


def _features(folder: Path, config: dict) -> tuple[pd.DataFrame | None, dict[tuple[str, str], FeatureView]]:
    """The feature measures and planes; a confirmation by an earlier version has none."""
    titles = config.get("feature_views") or []
    if not titles:
        return None, {}
    try:
        table = pd.read_parquet(folder / "features.parquet")
        with np.load(folder / "feature_views.npz") as stored:
            arrays: list[dict[str, np.ndarray]] = [{} for _ in titles]
            for name in stored.files:
                number, _, array = name.partition("/")
                arrays[int(number)][array] = stored[name]
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{folder}: cannot be read ({' '.join(str(error).split())}); {RERUN_HINT}") from error
    if lacking := [column for column in FEATURE_COLUMNS if column not in table]:
        raise InputError(f"{folder}: features.parquet lacks column {lacking[0]}; {RERUN_HINT}")
    names = [tuple(title.rsplit(" | ", 1)) for title in titles]
    return table, {name: FeatureView.from_arrays(array) for name, array in zip(names, arrays, strict=True)}


def _judge(record: dict[str, Any]) -> JudgeRecord:
    held_out = Estimate(*(float(record[f"held_out{end}"]) for end in ("", "_low", "_high")))
    return JudgeRecord(
        record["name"],
        bool(record["saw_private"]),
        bool(record["in_search"]),
        held_out,
        record.get("question", ""),
        bool(record.get("outside", False)),
    )


def _check(found: Confirmation) -> None:
    """Raise InputError if the files do not fit together."""
    folder = found.folder
    if not found.judges:
        raise InputError(f"{folder}: confirmation.yaml names no judge; {RERUN_HINT}")
    for name, columns in TABLE_COLUMNS.items():
        table = found.tables[name]
        wanted = (*columns, *(judge.name for judge in found.judges)) if name == "hits" else columns
        lacking = [column for column in wanted if column not in table]
        if lacking:
            raise InputError(f"{folder}: {name}.parquet lacks column {lacking[0]}; {RERUN_HINT}")
        for column, count in (("class", found.classes), ("seed", found.seeds)):
            if column in table and len(table) and not table[column].between(0, count - 1).all():
                raise InputError(f"{folder}: {name}.parquet has a {column} outside 0 to {count - 1}; {RERUN_HINT}")
    for point in found.points:
        for name in ("targets", "natural"):
            if point.name not in set(found.tables[name].point):
                raise InputError(f"{folder}: {name}.parquet has no row of {point.name!r}; {RERUN_HINT}")
        if point.trial is not None and point.trial not in found.study.trials.index:
            raise InputError(f"{folder}: the study has no trial {point.trial}; this confirms another one")
    if UNDEFENDED not in {point.name for point in found.points}:
        raise InputError(f"{folder}: no point without defence, which all others are compared with; {RERUN_HINT}")
    for judge in found.judges:
        if np.isnan(found.ceiling(judge.name)).any():
            raise InputError(f"{folder}: ceilings.parquet lacks a class of judge {judge.name}; {RERUN_HINT}")
