"""Joint draws of the accuracies of many points from one resampling of their seeds and people.

The design is crossed: the same people are attacked under every training seed, and all points share people and seeds.
So one draw gives all points the same seeds and the same people, and differences between points are differences of
their draws.

Resampling seeds, then people, then images, and reading off percentiles would be wrong in three ways here:

- *Three seeds are few.* Their bags hold a third less variance than there is, and that variance is itself known with
  two degrees of freedom. So a seed is not drawn: its deviation is multiplied by a normal number, and all seeds of a
  draw are widened together by sqrt(d / chi2_d), d = seeds - 1. A sum over seeds is then distributed as Student's t
  with d degrees of freedom, and so is every difference between points.
- *Images of one person under one seed are counted already.* Their noise is in the accuracy of the pair, therefore in
  the deviations of seeds and of people both. Resampling rows and columns counts it twice (Owen 2007, The pigeonhole
  bootstrap), resampling images a third time; for a difference between points, where the people cancel, it can be most
  of the variance. Here images are not resampled, and the deviations of people are shrunk, jointly over points,
  to the covariance that the analysis of variance leaves them: (MS_people - MS_rest) / (seeds * people), in the basis in
  which both are diagonal, nowhere below 0. Both parts together then have the unbiased variance of a mean of a two-way
  random-effects layout, (MS_seeds + MS_people - MS_rest) / (seeds * people), wherever that is above the seeds' part.
- *Accuracies end at 0 and 1.* The deviations are moved to the scale of the arcsine of the square root by its slope at
  the mean and back, which keeps draws inside and leans them as rates lean. (The logit does so too and covers as much,
  with intervals twice as long at rates of a few per cent from the ends.)

People are drawn with replacement, their deviations widened by sqrt(n / (n - 1)) and, as the seeds', to Student's t.
A sum of two t-like parts is that of Behrens and Fisher, which errs towards wide: for normal numbers and three seeds it
covers 95 to 97.6 %, where Satterthwaite's approximation covers 92 to 95 %. `studies/benchmarks/coverage.py` prints what
intervals of simulated hits cover: with three seeds and 30 people, 93.8 to 97.8 % of the values and 93.5 to 98 % of the
differences in 19 worlds (400 replications each, so +-2 points). With the logit in the arcsine's place it was too
little for an accuracy of a few per cent with five seeds (91 to 92 % over 30 people, 92 to 94 % over 50 to 100), for a
handful of people decide it and may not be among those drawn; and for differences where seeds vary as much as people do
(92 % and more at middling rates, 90 to 94 % at rates of a few per cent). These two have not been looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.statistics.effects import Effects, effects
from mi_tune.judging.intervals import Estimate
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed


@dataclass(frozen=True)
class Draws:
    """Accuracies of named points, and what they might as well have been.

    values: the estimates, (points,). draws: (resamples, points), all in [0, 1]; one row is one world.
    """

    names: tuple[str, ...]
    values: np.ndarray
    draws: np.ndarray

    def column(self, name: str) -> int:
        """Index of a point; InputError if there is none of that name."""
        if name not in self.names:
            raise InputError(f"no point {name!r}; there are {', '.join(self.names)}")
        return self.names.index(name)

    def take(self, *names: str) -> np.ndarray:
        """Draws of these points in this order, (resamples, len(names))."""
        return self.draws[:, [self.column(name) for name in names]]

    def estimate(self, name: str, level: float = 0.95) -> Estimate:
        """Accuracy of a point, in [0, 1], for other people and other seeds than these."""
        at = self.column(name)
        return between(self.values[at], self.draws[:, at], level)

    def difference(self, ours: str, theirs: str, level: float = 0.95) -> Estimate:
        """Accuracy of `ours` minus that of `theirs`, in [-1, 1], paired by seed and class."""
        a, b = self.column(ours), self.column(theirs)
        return between(self.values[a] - self.values[b], self.draws[:, a] - self.draws[:, b], level)


def between(value: float, draws: np.ndarray, level: float = 0.95) -> Estimate:
    """`value` with the central part of `draws` (resamples,) that holds `level` of them, and the value itself."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))


def resample(points: Mapping[str, np.ndarray], resamples: int = 4000, seed: int = 0) -> Draws:
    """Joint draws of the mean accuracy of every point (the module says how).

    Args:
        points: name -> hits in [0, 1], NaN where there is none, (seeds, classes, images), or (seeds, classes) if
            already averaged over images. The classes are the same people, in the same order, for all points, and
            index s is the same seed in all of them. Numbers of images may differ. A point with a seed axis of length 1
            was not retrained: its interval is over people only. Every class weighs the same.
        resamples: with 4000, the ends of a 95 % interval move by about 3 % of its width from one `seed` to another
            if the seeds dominate, less if the people do.

    Where every hit of a point is 0 (or 1) there is nothing to resample. Its draws then follow Beta(1, classes), whose
    97.5 % quantile is the end of the Clopper-Pearson interval with classes as trials, independently of other points.

    Two seeds give an honest interval of Student's t with one degree of freedom, which is of little use.

    Raises:
        InputError: no point, an accuracy outside [0, 1], points with different classes, fewer than two classes, a
            class without any image, or a retrained point of which one seed is left.
    """
    found = effects(_accuracies(points))
    mean, classes = found.mean, found.person.shape[1]
    certain = (mean == 0) | (mean == 1)
    slope = np.where(certain, 0.0, 0.5 / np.sqrt(np.where(certain, 1.0, mean * (1 - mean))))
    rng = np.random.default_rng(derive_seed(seed, "resampling"))

    half = rng.standard_normal((-(-resamples // 2), found.seed.shape[1]))
    multipliers = np.concatenate([half, -half])[:resamples]
    by_seed = multipliers @ _error_of_seeds(found).T * _widening(found.seeds - 1, resamples, rng)
    shares = _bags(classes, resamples, rng) / classes
    scale = np.sqrt(classes / (classes - 1)) * _widening(np.array([classes - 1]), resamples, rng)
    by_person = shares @ people_without_noise(found).T * scale

    inside = np.where(certain, 0.5, mean)
    angle = np.arcsin(np.sqrt(inside)) + slope * (by_seed + by_person)
    draws = np.sin(angle.clip(0, np.pi / 2)) ** 2
    for at in np.flatnonzero(certain):
        away = 1 - _spread(resamples, rng) ** (1 / classes)
        draws[:, at] = np.abs(mean[at] - away)
    return Draws(tuple(points), mean, draws)


def people_without_noise(found: Effects) -> np.ndarray:
    """Deviations of people (points, classes), their covariance less that of the noise within pairs, never negative.

    With K K' the covariance of the deviations' mean and U diag(w) U' that of the noise's, both whitened by K, the
    deviations are K U diag(sqrt(max(0, 1 - w))) U' K^-1 times what they were.
    """
    points, classes = found.person.shape
    total = found.person @ found.person.T / (classes * (classes - 1))
    freedom = found.cells - found.seeds - classes + 1
    weight = np.where(freedom > 0, 1 / np.sqrt(np.maximum(freedom, 1) * found.cells), 0.0)
    rest = found.rest.reshape(points, -1) * weight[:, None]
    size, axes = np.linalg.eigh(total)
    kept = size > 1e-10 * max(size.max(), 1e-300)
    root = np.sqrt(size[kept])
    axes = axes[:, kept]
    white = axes / root
    noise, turn = np.linalg.eigh(white.T @ (rest @ rest.T) @ white)
    shrink = (turn * np.sqrt(np.maximum(0.0, 1 - noise))) @ turn.T
    return (axes * root) @ shrink @ white.T @ found.person


def _error_of_seeds(found: Effects) -> np.ndarray:
    """Deviations of seeds (points, seeds) whose squares add up to the variance of their mean."""
    count = found.seeds[:, None]
    return found.seed / np.sqrt(count * np.maximum(count - 1, 1))


def _bags(size: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of `size` things is drawn in as many draws with replacement, (resamples, size)."""
    # numpy's multinomial gives the same, one binomial at a time
    drawn = rng.integers(size, size=(resamples, size)) + size * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * size).reshape(resamples, size)


def _spread(resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Evenly spaced probabilities in random order: the far ends then hardly depend on the draw."""
    return rng.permutation((np.arange(resamples) + 0.5) / resamples)


def _widening(freedom: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """sqrt(d / chi2_d), (resamples, len(freedom)), from one random order for all degrees of freedom d; 1 for d = 0."""
    probability = _spread(resamples, rng)
    kinds, which = np.unique(freedom, return_inverse=True)
    columns = [np.sqrt(d / special.chdtri(d, probability)) if d else np.ones(resamples) for d in kinds]
    return np.stack(columns, 1)[:, which]


def _accuracies(points: Mapping[str, np.ndarray]) -> np.ndarray:
    """Accuracy of each pair, (points, seeds, classes), NaN where there is none."""
    if not points:
        raise InputError("no point to resample; give at least one name with its hits")
    pairs = {name: _pairs(name, np.asarray(hits, dtype=float)) for name, hits in points.items()}
    seeds = max(len(pair) for pair in pairs.values())
    classes = {name: pair.shape[1] for name, pair in pairs.items()}
    first = next(iter(classes))
    for name, count in classes.items():
        if count != classes[first]:
            raise InputError(
                f"point {name!r} has {count} classes and {first!r} has {classes[first]}; attack the same people"
            )
    accuracy = np.full((len(pairs), seeds, classes[first]), np.nan)
    for at, pair in enumerate(pairs.values()):
        accuracy[at, : len(pair)] = pair
    return accuracy


def _pairs(name: str, hits: np.ndarray) -> np.ndarray:
    if hits.ndim not in (2, 3) or 0 in hits.shape:
        raise InputError(f"point {name!r} has hits of shape {hits.shape}; give (seeds, classes[, images])")
    if ((hits < 0) | (hits > 1)).any():
        raise InputError(f"point {name!r} has a hit outside [0, 1]; give 0, 1 or NaN")
    if hits.shape[1] < 2:
        raise InputError(f"point {name!r} has one class; an interval needs at least two people")
    there = ~np.isnan(hits)
    if hits.ndim == 3:
        count = there.sum(2)
        total = np.where(there, hits, 0.0).sum(2)
        hits = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        there = count > 0
    empty = np.flatnonzero(~there.any(0))
    if len(empty):
        raise InputError(f"point {name!r} has no image of class {empty[0]}; attack it, or leave it out everywhere")
    if len(hits) > 1 and there.any(1).sum() == 1:
        raise InputError(f"point {name!r} has one seed left of {len(hits)}; train another, or leave the point out")
    return hits
