"""A table of real trials as a surrogate benchmark: true accuracies of any law, noisy trials of it, and their cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.stats import qmc

from mi_tune.erasing import NO_DEFENCE, ErasingLaw
from mi_tune.replay.interpolation import Interpolator, all_interpolators, neighbour_interpolators
from mi_tune.replay.noise import HitModel, Noise, measure_hits, measure_noise
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.search.arcsine import from_arcsine, to_arcsine
from mi_tune.search.front import front_mask, hypervolume
from mi_tune.search.geometry import Geometry
from mi_tune.search.space import coordinates, distributions, law_from
from mi_tune.search.state import State
from mi_tune.setup import Space

ACCURACIES = ("natural_accuracy", "cheap_attack_accuracy", "attack_accuracy")
SECONDS = ("train_seconds", "evaluate_seconds", "cheap_attack_seconds", "attack_seconds")
NEEDED = ("law", "reference", "seed", "rung", "state", *ACCURACIES, *SECONDS, "attack_hits")
FRONT_SOBOL_LAWS, FRONT_MOVED_LAWS, FRONT_ROUNDS = 2**13, 2**11, 12
"""Search for the best possible front: laws of the Sobol sequence that it starts from, laws tried near the front in each
round, and rounds, with ever shorter steps."""


@dataclass(frozen=True)
class TrialOutcome:
    """The outcome of one simulated trial of a law.

    Args:
        natural, cheap: natural accuracy and cheap attack accuracy at every rung, (rungs,). attack: attack accuracy
            after the whole training. train: seconds of training from the rung before to each rung, (rungs,).
            evaluate, cheap_seconds: seconds of the evaluation and of the cheap attack at each rung, (rungs,).
            attack_seconds: seconds of the whole attack.
    """

    natural: np.ndarray
    cheap: np.ndarray
    attack: float
    train: np.ndarray
    evaluate: np.ndarray
    cheap_seconds: np.ndarray
    attack_seconds: float

    @property
    def seconds(self) -> float:
        """Seconds of a whole trial that is evaluated only at its end."""
        return float(self.train.sum() + self.evaluate[-1] + self.attack_seconds)


@dataclass(frozen=True)
class Reading:
    """How one value of the table is interpolated.

    Args:
        interpolator: name of the one in use. errors: leave-one-out root mean squared error of every interpolator, as
            accuracy or as the logarithm of seconds. floor: the part of it that the noise of the table alone explains,
            None where that is not known.
    """

    value: str
    interpolator: str
    errors: dict[str, float]
    floor: float | None


class Surface:
    """A surrogate benchmark: accuracies and seconds interpolated between the laws of a table.

    Every value is averaged over seeds and interpolated by the method with the smallest leave-one-law-out error:
    accuracies as arcsin(sqrt(accuracy)), seconds by their logarithm. The noise-free surface is the truth that searches
    are judged by.

    Args:
        rows: one row per law, seed and rung. about: the table's description, with `space` and `trials` per class.
        interpolator: name of the interpolator of all accuracies, instead of the best one. A Gaussian process as surface
            favours a search whose model is a Gaussian process; another interpolator shows by how much.

    Raises:
        InputError: columns are missing, there are too few laws or seeds to measure the noise, or the interpolator is
            unknown.
    """

    def __init__(self, rows: pd.DataFrame, about: Mapping[str, Any], interpolator: str | None = None) -> None:
        self._chosen = interpolator
        missing = [name for name in NEEDED if name not in rows]
        if missing:
            raise InputError(
                f"the table lacks column {missing[0]}; studies/benchmarks/tabulate_trials.py writes all that are needed"
            )
        if "space" not in about:
            raise InputError("the table's description lacks 'space'; it says what the laws were drawn from")
        rows = rows[rows.state == State.COMPLETE].sort_values(["law", "seed", "rung"])
        self.space = Space.model_validate(about["space"])
        self.rungs = int(rows.rung.max()) + 1 if len(rows) else 0
        self.fractions = rows.groupby("rung").fraction.first().to_numpy(float) if len(rows) else np.empty(0)
        first = rows.drop_duplicates("law").set_index("law")
        self.laws = first.index.to_numpy()
        if len(self.laws) < 10:
            raise InputError(f"the table has {len(self.laws)} complete laws; a surface needs at least 10")
        # reference points may lie outside the searched space: a wider one holds them too
        self._wide = _widened(self.space, first)
        self._geometry = Geometry(distributions(self._wide))
        points = {number: self._coordinates(row) for number, row in first.iterrows()}
        self._x = self._geometry.columns(self._geometry.units(list(points.values())))
        self._undefended = next((points[number] for number in first.index[first.reference == "no defence"]), None)
        self.names = (
            *(f"natural_accuracy@{rung}" for rung in range(self.rungs)),
            *(f"cheap_attack_accuracy@{rung}" for rung in range(self.rungs)),
            f"attack_accuracy@{self.rungs - 1}",
        )
        cube = self._cube(rows)
        self.noise: Noise = measure_noise(cube, self.names)
        self.readings: list[Reading] = []
        self._interpolators: dict[str, Interpolator] = {}
        seeds = cube.shape[1]
        for column, name in enumerate(self.names):
            values = cube[:, :, column]
            self._choose(name, np.nanmean(values, 1), self.noise.deviations[column] / np.sqrt(seeds))
        for name, values in self._log_seconds(rows).items():
            self._choose(name, values, None)
        self.hit_model: HitModel = _hit_model(rows, about)

    def _coordinates(self, row: pd.Series) -> dict[str, Any]:
        """The parameters of a row; those that the table does not vary have the value that the space fixes."""
        known = {}
        for name in self._geometry.names:
            fixed = getattr(self.space, name)
            value = row[name] if name in row and not pd.isna(row[name]) else fixed
            known[name] = value[0] if isinstance(value, (list, tuple)) else value
        return known

    def _cube(self, rows: pd.DataFrame) -> np.ndarray:
        """arcsin(sqrt(accuracy)) of all values, (laws, seeds, values); NaN where a trial is missing."""
        seeds = np.sort(rows.seed.unique())
        cube = np.full((len(self.laws), len(seeds), len(self.names)), np.nan)
        law, seed = np.searchsorted(self.laws, rows.law), np.searchsorted(seeds, rows.seed)
        for column, name in enumerate(self.names):
            accuracy, rung = name.split("@")
            here = (rows.rung == int(rung)).to_numpy()
            cube[law[here], seed[here], column] = to_arcsine(rows[accuracy].to_numpy(float)[here])
        return cube

    def _log_seconds(self, rows: pd.DataFrame) -> dict[str, np.ndarray]:
        """Logarithm of the seconds of each step, averaged over seeds: (laws,) each."""
        rows = rows.assign(
            train_seconds=rows.train_seconds - rows.groupby(["law", "seed"]).train_seconds.shift(fill_value=0.0)
        )
        found = {}
        for name in SECONDS:
            for rung in range(self.rungs):
                if name != "attack_seconds" or rung == self.rungs - 1:
                    mean = rows[rows.rung == rung].groupby("law")[name].mean().reindex(self.laws)
                    found[f"{name}@{rung}"] = np.log(np.maximum(mean.to_numpy(float), 1e-4))
        return found

    def _choose(self, name: str, values: np.ndarray, deviation: float | None) -> None:
        """Fit all interpolators of a value and keep the best; `deviation` of its noise is None for seconds."""
        known = np.isfinite(values)
        accuracy = deviation is not None
        kinds = all_interpolators(self._geometry.groups) if accuracy else neighbour_interpolators()
        fitted = [kind.fit(self._x[known], values[known]) for kind in kinds]
        back = from_arcsine if accuracy else (lambda v: v)
        truth = back(values[known])
        errors = {f.name: float(np.sqrt(np.mean((back(f.leave_one_out()) - truth) ** 2))) for f in fitted}
        best = self._chosen if accuracy and self._chosen else min(errors, key=errors.__getitem__)
        if best not in errors:
            raise InputError(f"unknown interpolator '{best}'; choose from {', '.join(errors)}")
        self._interpolators[name] = next(f for f in fitted if f.name == best)
        # noise as accuracy, by the delta method: d sin^2(z) / dz = sin(2z)
        floor = float(deviation * np.sqrt(np.mean(np.sin(2 * values[known]) ** 2))) if deviation is not None else None
        self.readings.append(Reading(name, best, errors, floor))

    # -------------------------------------------------------------------------------------------------- reading

    def _columns(self, laws: Sequence[ErasingLaw]) -> np.ndarray:
        # all laws that never erase are the same law, whatever their rectangles
        points = [self._undefended if law.probability == 0 and self._undefended else coordinates(law) for law in laws]
        for name in ("location", "fill"):
            choices = getattr(self._wide, name)
            for unknown in {point[name] for point in points} - set(choices):
                raise InputError(f"the table has no law with {name} {unknown}; it has {', '.join(choices)}")
        return self._geometry.columns(
            self._geometry.units([{name: point[name] for name in self._geometry.names} for point in points])
        )

    def truth(self, laws: Sequence[ErasingLaw]) -> tuple[np.ndarray, np.ndarray]:
        """True (noise-free) natural and attack accuracy of laws, (n,) each.

        Raises:
            InputError: a law has a location or fill that no law of the table has.
        """
        return self._final(self._columns(laws))

    def worth(self, laws: Sequence[ErasingLaw], floor: float) -> float:
        """True hypervolume of the laws whose true natural accuracy is not below the floor."""
        if not laws:
            return 0.0
        natural, attack = self.truth(laws)
        fit = natural >= floor
        return hypervolume(natural[fit], attack[fit])

    def _final(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        last = self.rungs - 1
        read = lambda name: from_arcsine(self._interpolators[f"{name}@{last}"].predict(columns))  # noqa: E731
        return read("natural_accuracy"), read("attack_accuracy")

    def draw(self, law: ErasingLaw, repeat: int = 0, seed: int = 0, targets: int = 1) -> TrialOutcome:
        """Simulate a trial: the truth plus the noise of repeat number `repeat` of this law in study `seed`.

        Args:
            targets: number of targets that are trained and attacked; accuracies are their means, seconds their sums.
        """
        columns = self._columns([law])
        values = {name: float(f.predict(columns)[0]) for name, f in self._interpolators.items()}
        point = coordinates(law)
        rng = np.random.default_rng(derive_seed(seed, "noise", *(repr(v) for v in point.values()), repeat))
        clean = np.array([values[name] for name in self.names])
        noisy = np.mean([from_arcsine(clean + self.noise.draw(rng)) for _ in range(targets)], axis=0)
        at_rungs = lambda name: targets * np.exp([values[f"{name}@{rung}"] for rung in range(self.rungs)])  # noqa: E731
        return TrialOutcome(
            natural=noisy[: self.rungs],
            cheap=noisy[self.rungs : 2 * self.rungs],
            attack=float(noisy[-1]),
            train=at_rungs("train_seconds"),
            evaluate=at_rungs("evaluate_seconds"),
            cheap_seconds=at_rungs("cheap_attack_seconds"),
            attack_seconds=targets * float(np.exp(values[f"attack_seconds@{self.rungs - 1}"])),
        )

    def hits(self, law: ErasingLaw, outcome: TrialOutcome, repeat: int = 0, seed: int = 0) -> np.ndarray:
        """Share of hits of each class in that outcome, in the order in which classes are attacked: (classes,)."""
        rng = np.random.default_rng(derive_seed(seed, "hits", *(repr(v) for v in coordinates(law).values()), repeat))
        return rng.permutation(self.hit_model.hits(outcome.attack, rng))

    # ------------------------------------------------------------------------------------------------ best possible

    def floor(self, kept: float | None) -> float:
        """The floor: the share `kept` of the true natural accuracy without defence; 0 if `kept` is None."""
        return 0.0 if kept is None else kept * float(self.truth([NO_DEFENCE])[0][0])

    def best_front(self, floor: float) -> tuple[np.ndarray, np.ndarray]:
        """True accuracies of the best possible front above the floor, (n,) each, by rising natural accuracy.

        It is searched among the laws of the table, a dense Sobol sequence, and random moves of the best of these in
        FRONT_ROUNDS rounds of local search.
        """
        searched = Geometry(distributions(self.space))
        rng = np.random.default_rng(derive_seed(0, "best front"))
        units, natural, attack = self._dense
        for number in range(FRONT_ROUNDS):
            fit = np.flatnonzero(natural >= floor)
            front = fit[front_mask(natural[fit], attack[fit])]
            units, natural, attack = units[front], natural[front], attack[front]
            start = units[rng.integers(len(units), size=FRONT_MOVED_LAWS)]
            step = 0.2 * 0.75**number * rng.standard_normal(start.shape) * (rng.random(start.shape) < 0.5)
            moved = np.clip(start + step, 0, 1 - 1e-9)
            units = np.concatenate([units, moved])
            more = self._final(self._columns([law_from(self.space, searched.params(unit)) for unit in moved]))
            natural, attack = np.concatenate([natural, more[0]]), np.concatenate([attack, more[1]])
        known = self._final(self._x)
        natural, attack = np.concatenate([natural, known[0]]), np.concatenate([attack, known[1]])
        above = natural >= floor
        natural, attack = natural[above], attack[above]
        mask = front_mask(natural, attack)
        order = np.argsort(natural[mask])
        return natural[mask][order], attack[mask][order]

    def best_hypervolume(self, floor: float) -> float:
        """Hypervolume of `best_front`: what an unlimited search would reach."""
        return hypervolume(*self.best_front(floor))

    @cached_property
    def _dense(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A dense Sobol sequence in the unit cube of the searched space, and both true accuracies of its points."""
        searched = Geometry(distributions(self.space))
        units = qmc.Sobol(len(searched.names), scramble=True, rng=0).random(FRONT_SOBOL_LAWS)
        laws = [law_from(self.space, searched.params(unit)) for unit in units]
        return units, *self._final(self._columns(laws))

    def mean_seconds(self) -> float:
        """Mean seconds of a whole trial, over the laws of the table."""
        last = self.rungs - 1
        read = lambda name: np.exp(self._interpolators[name].predict(self._x))  # noqa: E731
        train = sum(read(f"train_seconds@{rung}") for rung in range(self.rungs))
        return float(np.mean(train + read(f"evaluate_seconds@{last}") + read(f"attack_seconds@{last}")))


def _widened(space: Space, laws: pd.DataFrame) -> Space:
    """The space with wider ranges and more choices, so that it holds every law of the table."""
    wider: dict[str, Any] = {}
    for name in ("probability", "area_low", "area_span", "aspect_max", "count", "clean_epochs"):
        if name in laws:
            values = laws[name].dropna()
            value = getattr(space, name)
            low, high = value if isinstance(value, tuple) else (value, value)
            low, high = min(low, values.min()), max(high, values.max())
            whole = name in ("count", "clean_epochs")
            wider[name] = (int(low), int(high)) if whole else (float(low), float(high))
    for name in ("location", "fill"):
        if name in laws:
            wider[name] = list(dict.fromkeys([*getattr(space, name), *laws[name].dropna()]))
    return Space.model_validate(space.model_dump() | wider)


def _hit_model(rows: pd.DataFrame, about: Mapping[str, Any]) -> HitModel:
    last = rows[(rows.rung == rows.rung.max()) & rows.attack_hits.notna()]
    counts = last.groupby("law").seed.transform("count")
    whole = last[counts == counts.max()]
    hits = np.stack(whole.attack_hits.to_numpy()).astype(float)
    tries = int(np.max(about["trials"]["attack"]))
    return measure_hits(hits.reshape(-1, int(counts.max()), hits.shape[1]), tries)


def load_surface(path: Path, interpolator: str | None = None) -> Surface:
    """The surface of the table in `path`.parquet and `path`.yaml; `path` may have the suffix.

    Raises:
        InputError: there is no such table, or see `Surface`.
    """
    stem = path.with_suffix("")
    try:
        rows, about = (
            pd.read_parquet(stem.with_suffix(".parquet")),
            yaml.safe_load(stem.with_suffix(".yaml").read_text()),
        )
    except FileNotFoundError as error:
        raise InputError(f"{path}: no table there; give the path of a .parquet with its .yaml beside it") from error
    return Surface(rows, about, interpolator)
