"""A confirmation as records. Reads and never trains; docs/study_folder.md is the contract it relies on."""

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
from analysis.statistics.records import NO_DEFENCE, Study, load_study
from mi_tune.attacks import BUDGETS
from mi_tune.defences.treatment import Treatment
from mi_tune.judging.features import MEASURES, FeatureView
from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.errors import InputError
from mi_tune.trial.point import Point

FOLDER = "confirmation"
AGAIN = "run studies/confirm.py again, it finds what was computed before"

SETTINGS = (
    *("study", "seeds", "portfolio", "ladder", "controls", "points", "matched_stops", "judges", "data"),
    *("hypervolume_reference", "versions"),
)
COLUMNS = {
    "targets": ("point", "seed", "val_accuracy", "natural_accuracy", "train_seconds"),
    "natural": ("point", "seed", "image", "class", "correct"),
    "attacks": (
        *("point", "seed", "attack", "access", "prior", "reason", "forward_passes", "backward_passes"),
        *("surrogate_passes", "seconds", "target_accuracy_on_reconstructions"),
    ),
    "hits": ("point", "seed", "attack", "class", "image", "on_target"),
    "ceilings": ("judge", "class", "accuracy"),
}
"""What is read from each table; hits have a column a judge beside these."""
FEATURES = ("point", "seed", "attack", "encoder", "class", "pair", *MEASURES)


@dataclass(frozen=True)
class JudgeRecord:
    """A judge by name: whether it was trained on private images, whether the search was judged by it, its accuracy on
    real held-out images, and what it is asked."""

    name: str
    saw_private: bool
    in_search: bool
    held_out: Estimate
    question: str = ""


@dataclass(frozen=True)
class Confirmation:
    """The folder's confirmation.yaml as `config` and its tables by name, beside the study that it confirms.

    features: where reconstructions lie in feature space, None if that was not looked at; views: planes to look at it,
    by point and attack.
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
        """How many fresh targets every point has."""
        return int(self.config["seeds"])

    @property
    def classes(self) -> int:
        """How many people were attacked."""
        return int(self.config["data"]["identities"])

    @property
    def chance(self) -> float:
        return 1 / self.classes

    @cached_property
    def headline(self) -> JudgeRecord:
        """The judge whose word counts first: the first second classifier, trained on the private images and not used
        by the search; without one, the first that the search did not use, or the first."""
        fresh = [judge for judge in self.judges if not judge.in_search]
        return next((judge for judge in fresh if judge.saw_private), (*fresh, *self.judges)[0])

    @property
    def search_judge(self) -> JudgeRecord | None:
        """The judge of the search, if it is on the panel."""
        return next((judge for judge in self.judges if judge.in_search), None)

    def point(self, name: str) -> Point:
        """The point of this name; InputError if there is none."""
        for point in self.points:
            if point.name == name:
                return point
        raise InputError(f"{self.folder}: no point {name!r}; there are {', '.join(p.name for p in self.points)}")

    @property
    def laws(self) -> tuple[Point, ...]:
        """The points that are no controls, the undefended one among them."""
        return tuple(point for point in self.points if not point.is_control)

    @property
    def defended(self) -> tuple[Point, ...]:
        """The laws that erase."""
        return tuple(point for point in self.laws if point.treatment.law.probability > 0)

    @property
    def controls(self) -> tuple[Point, ...]:
        """The points to compare with: trained without erasing, or with another augmentation."""
        return tuple(point for point in self.points if point.is_control)

    def matched_stop(self, law: str) -> str | None:
        """The undefended point that is as accurate as a law; None where it is not there."""
        name = self.config["matched_stops"].get(law)
        return name if name in {point.name for point in self.points} else None

    # ------------------------------------------------------------------------------------------------- attacks

    @cached_property
    def planned(self) -> tuple[str, ...]:
        """The attacks by `name:budget`, in the order in which they were asked for, budgets of one side by side."""
        lists = (self.config["portfolio"], self.config["controls"], self.config["ladder"])
        asked = list(dict.fromkeys(attack for attacks in lists for attack in attacks))
        names = list(dict.fromkeys(attack.partition(":")[0] for attack in asked))

        def place(attack: str) -> tuple[int, int]:
            name, _, budget = attack.partition(":")
            return names.index(name), BUDGETS.index(budget) if budget in BUDGETS else len(BUDGETS)

        return tuple(sorted(asked, key=place))

    @cached_property
    def attacks(self) -> tuple[str, ...]:
        """The planned attacks that found something."""
        found = {attack for _, attack in self._hits}
        return tuple(attack for attack in self.planned if attack in found)

    @cached_property
    def baselines(self) -> tuple[str, ...]:
        """What needs no optimisation, by name."""
        return tuple(name for name in dict.fromkeys(self.tables["attacks"].attack) if name not in self.planned)

    def attacks_on(self, point: str) -> tuple[str, ...]:
        """The attacks that found something on at least one target of a point."""
        return tuple(attack for attack in self.attacks if (point, attack) in self._hits)

    def seeds_of(self, point: str, attack: str) -> tuple[int, ...]:
        """The numbers of the seeds under which an attack (or a baseline) came to an end on a point."""
        found = self._hits.get((point, attack))
        return () if found is None else tuple(sorted(int(seed) for seed in found.seed.unique()))

    # -------------------------------------------------------------------------------------------------- arrays

    def natural_correct(self, point: str) -> np.ndarray:
        """Whether each test image was named rightly, 0 or 1, (seeds, classes, images); NaN fills up where people have
        unequal numbers of images, which are the same images in the same order under every seed."""
        return natural_array(self._natural[point], self.seeds, self.classes)

    def hits(self, point: str, attack: str, judge: str) -> np.ndarray | None:
        """Which reconstructions of an attack (or baseline) a judge gives to the attacked class, 0 or 1,
        (seeds, classes, images); NaN for seeds under which it failed; None where it found nothing at all."""
        table = self._hits.get((point, attack))
        return None if table is None else as_array(table, table.image, table[judge], self.seeds, self.classes)

    def ceiling(self, judge: str) -> np.ndarray:
        """Accuracy of a judge on real images of every class, (1, classes)."""
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
    """Whether a study has a confirmation that came to an end."""
    return (Path(study_folder) / FOLDER / "confirmation.yaml").exists()


def load_confirmation(study_folder: Path | str) -> Confirmation:
    """Read the confirmation of the study in `study_folder`.

    Raises:
        InputError: not a study, none that was confirmed to the end, or files that cannot be read or do not fit
            together.
    """
    study = load_study(study_folder)
    folder = study.folder / FOLDER
    if not has_confirmation(study.folder):
        raise InputError(f"{study.folder}: not confirmed to the end; run python studies/confirm.py {study.folder}")
    try:
        config = yaml.safe_load((folder / "confirmation.yaml").read_text())
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in COLUMNS}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{folder}: cannot be read ({' '.join(str(error).split())}); {AGAIN}") from error
    missing = [name for name in SETTINGS if not isinstance(config, dict) or name not in config]
    if missing:
        raise InputError(f"{folder}: confirmation.yaml lacks {missing[0]}; {AGAIN}")
    try:
        points = tuple(
            Point(p["name"], p["kind"], Treatment.from_dict(p["treatment"]), p["trial"], p["epoch"])
            for p in config["points"]
        )
        judges = tuple(_judge(judge) for judge in config["judges"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder}: confirmation.yaml has a point or judge without {error}; {AGAIN}") from error
    features, views = _features(folder, config)
    found = Confirmation(folder, study, config, points, judges, tables, features, views)
    _check(found)
    return found


def _features(folder: Path, config: dict) -> tuple[pd.DataFrame | None, dict[tuple[str, str], FeatureView]]:
    """What there is of feature space. Confirmations of an earlier version have nothing of it."""
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
        raise InputError(f"{folder}: cannot be read ({' '.join(str(error).split())}); {AGAIN}") from error
    if lacking := [column for column in FEATURES if column not in table]:
        raise InputError(f"{folder}: features.parquet lacks column {lacking[0]}; {AGAIN}")
    names = [tuple(title.rsplit(" | ", 1)) for title in titles]
    return table, {name: FeatureView.from_arrays(array) for name, array in zip(names, arrays, strict=True)}


def _judge(record: dict[str, Any]) -> JudgeRecord:
    held_out = Estimate(*(float(record[f"held_out{end}"]) for end in ("", "_low", "_high")))
    return JudgeRecord(
        record["name"], bool(record["saw_private"]), bool(record["in_search"]), held_out, record.get("question", "")
    )


def _check(found: Confirmation) -> None:
    """Raise InputError where the files do not fit together."""
    folder = found.folder
    if not found.judges:
        raise InputError(f"{folder}: confirmation.yaml names no judge; {AGAIN}")
    for name, columns in COLUMNS.items():
        table = found.tables[name]
        wanted = (*columns, *(judge.name for judge in found.judges)) if name == "hits" else columns
        lacking = [column for column in wanted if column not in table]
        if lacking:
            raise InputError(f"{folder}: {name}.parquet lacks column {lacking[0]}; {AGAIN}")
        for column, count in (("class", found.classes), ("seed", found.seeds)):
            if column in table and len(table) and not table[column].between(0, count - 1).all():
                raise InputError(f"{folder}: {name}.parquet has a {column} outside 0 to {count - 1}; {AGAIN}")
    for point in found.points:
        for name in ("targets", "natural"):
            if point.name not in set(found.tables[name].point):
                raise InputError(f"{folder}: {name}.parquet has no row of {point.name!r}; {AGAIN}")
        if point.trial is not None and point.trial not in found.study.trials.index:
            raise InputError(f"{folder}: the study has no trial {point.trial}; this confirms another one")
    if NO_DEFENCE not in {point.name for point in found.points}:
        raise InputError(f"{folder}: no point without defence, which all others are compared with; {AGAIN}")
    for judge in found.judges:
        if np.isnan(found.ceiling(judge.name)).any():
            raise InputError(f"{folder}: ceilings.parquet lacks a class of judge {judge.name}; {AGAIN}")
