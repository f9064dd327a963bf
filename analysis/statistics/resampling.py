"""Joint bootstrap draws of the accuracies of many points, from one resampling of their seeds and people.

The design is crossed: the same people are attacked under every training seed, and all points share people and seeds.
Each draw therefore uses the same seeds and people for all points, and the difference between two points is the
difference between their draws.

The percentile bootstrap that resamples seeds, then people, then images would be wrong here in three ways:

- *Three seeds are few.* Bootstrap samples of three seeds have a third less variance than the seeds have, and this
  variance is estimated with only two degrees of freedom. So seeds are not resampled. Each seed effect is multiplied by
  a standard normal number, and all seeds of a draw are scaled by the common factor sqrt(d / chi2_d), d = seeds - 1. A
  sum over seeds, and every difference between points, then follows Student's t with d degrees of freedom.
- *The noise of images is already included.* The images of one person under one seed add noise to the accuracy of this
  pair, and thereby to the seed effects and to the person effects. Resampling rows and columns counts this noise twice
  (Owen 2007, The pigeonhole bootstrap); resampling images counts it a third time. For a difference between points,
  where the people cancel, it can be most of the variance. So images are not resampled, and the person effects are
  shrunk, jointly over points, to the covariance from the analysis of variance: (MS_people - MS_rest) / (seeds *
  people), in the basis in which both terms are diagonal, and never below 0. Seeds and people together then have the
  unbiased variance of the mean in a two-way random-effects layout, (MS_seeds + MS_people - MS_rest) / (seeds *
  people), wherever this exceeds the seeds' part.
- *Accuracies end at 0 and 1.* The effects are transferred to the arcsine-square-root scale by its slope at the mean,
  and the sum is transformed back. This keeps the draws in [0, 1] and gives them the skew of a rate. (The logit does so
  too, with the same coverage, but its intervals are twice as long for rates a few per cent from the ends.)

People are drawn with replacement. Their effects are scaled by sqrt(n / (n - 1)) and, like those of seeds, to Student's
t. The sum of two t-like parts follows the Behrens-Fisher distribution, which tends to be too wide: for normal numbers
and three seeds it covers 95 to 97.6 %, where Satterthwaite's approximation covers 92 to 95 %.

`studies/benchmarks/coverage.py` measures the coverage of the intervals on simulated hits. With three seeds and 30
people they covered 93.8 to 97.8 % of the values and 93.5 to 98 % of the differences in 19 simulated worlds (400
replications each, so +-2 points). With the logit instead of the arcsine, coverage was too low in two cases: for an
accuracy of a few per cent with five seeds (91 to 92 % over 30 people, 92 to 94 % over 50 to 100), because it rests on a
few people who may be missing from a draw; and for differences where seeds vary as much as people do (92 % and more at
middling rates, 90 to 94 % at rates of a few per cent). With the arcsine these two cases have not been measured.
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

RESAMPLES = 4000
"""Draws of a confirmation or of a property study."""


@dataclass(frozen=True)
class Draws:
    """Accuracies of named points with their joint draws.

    values: the estimates, (points,). draws: (resamples, points), all in [0, 1]; the points of a row are drawn together.
    """

    names: tuple[str, ...]
    values: np.ndarray
    draws: np.ndarray

    def column(self, name: str) -> int:
        """Index of a point. Raises InputError if there is no point with this name."""
        if name not in self.names:
            raise InputError(f"no point {name!r}; there are {', '.join(self.names)}")
        return self.names.index(name)

    def take(self, *names: str) -> np.ndarray:
        """Draws of the named points, in this order, (resamples, len(names))."""
        return self.draws[:, [self.column(name) for name in names]]

    def estimate(self, name: str, level: float = 0.95) -> Estimate:
        """Accuracy of a point in [0, 1]; the interval covers other people and other seeds."""
        at = self.column(name)
        return percentile_estimate(self.values[at], self.draws[:, at], level)

    def difference(self, ours: str, theirs: str, level: float = 0.95) -> Estimate:
        """Accuracy of `ours` minus that of `theirs`, in [-1, 1], paired by seed and class."""
        a, b = self.column(ours), self.column(theirs)
        return percentile_estimate(self.values[a] - self.values[b], self.draws[:, a] - self.draws[:, b], level)


def percentile_estimate(value: float, draws: np.ndarray, level: float = 0.95) -> Estimate:
    """`value` with the percentile interval of `draws` (resamples,), extended to contain the value if necessary."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))


def resample(points: Mapping[str, np.ndarray], resamples: int = 4000, seed: int = 0) -> Draws:
    """Joint draws of the mean accuracy of each point, by the method in the module's docstring.

    Args:
        points: name -> hits in [0, 1], (seeds, classes, images), or (seeds, classes) if already averaged over images;
            NaN where nothing was measured. All points have the same classes in the same order, and index s is the same
            seed in all of them. Numbers of images may differ. A point with a seed axis of length 1 was not retrained:
            its interval is over people only. Every class has the same weight.
        resamples: number of draws. With 4000, the ends of a 95 % interval change by about 3 % of its width from one
            `seed` to another if the seeds dominate, and by less if the people do.
        seed: of the random draws.

    If all hits of a point are 0 (or all 1), there is nothing to resample. Its draws then follow Beta(1, classes),
    independently of other points. The 97.5 % quantile is the end of the Clopper-Pearson interval for that many trials.

    Two seeds give a valid interval from Student's t with one degree of freedom, which is too wide to be of use.

    Raises:
        InputError: no point, an accuracy outside [0, 1], points with different classes, fewer than two classes, a
            class without any image, or a retrained point with only one seed left.
    """
    found = effects(_accuracies(points))
    mean, classes = found.mean, found.person.shape[1]
    certain = (mean == 0) | (mean == 1)
    slope = np.where(certain, 0.0, 0.5 / np.sqrt(np.where(certain, 1.0, mean * (1 - mean))))
    rng = np.random.default_rng(derive_seed(seed, "resampling"))

    half = rng.standard_normal((-(-resamples // 2), found.seed.shape[1]))
    multipliers = np.concatenate([half, -half])[:resamples]
    by_seed = multipliers @ _scaled_seed_effects(found).T * _t_factor(found.seeds - 1, resamples, rng)
    shares = _bootstrap_counts(classes, resamples, rng) / classes
    scale = np.sqrt(classes / (classes - 1)) * _t_factor(np.array([classes - 1]), resamples, rng)
    by_person = shares @ person_effects_without_noise(found).T * scale

    inside = np.where(certain, 0.5, mean)
    angle = np.arcsin(np.sqrt(inside)) + slope * (by_seed + by_person)
    draws = np.sin(angle.clip(0, np.pi / 2)) ** 2
    for at in np.flatnonzero(certain):
        away = 1 - _even_probabilities(resamples, rng) ** (1 / classes)
        draws[:, at] = np.abs(mean[at] - away)
    return Draws(tuple(points), mean, draws)


def person_effects_without_noise(found: Effects) -> np.ndarray:
    """Person effects (points, classes), shrunk so that their covariance no longer includes the noise within pairs.

    Let K K' be the covariance of the mean of the person effects, and U diag(w) U' that of the noise, whitened by K. The
    effects are multiplied by K U diag(sqrt(max(0, 1 - w))) U' K^-1, so that no variance becomes negative.
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


def _scaled_seed_effects(found: Effects) -> np.ndarray:
    """Seed effects (points, seeds), scaled so that their squares add up to the variance of their mean."""
    count = found.seeds[:, None]
    return found.seed / np.sqrt(count * np.maximum(count - 1, 1))


def _bootstrap_counts(size: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of `size` items occurs in a bootstrap sample of that size, (resamples, size)."""
    # faster than numpy's multinomial, which draws one binomial at a time
    drawn = rng.integers(size, size=(resamples, size)) + size * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * size).reshape(resamples, size)


def _even_probabilities(resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Evenly spaced probabilities in random order, so that extreme quantiles hardly depend on the draw."""
    return rng.permutation((np.arange(resamples) + 0.5) / resamples)


def _t_factor(freedom: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Draws of sqrt(d / chi2_d), (resamples, len(freedom)), in one random order for all d = `freedom`; 1 for d = 0."""
    probability = _even_probabilities(resamples, rng)
    kinds, which = np.unique(freedom, return_inverse=True)
    columns = [np.sqrt(d / special.chdtri(d, probability)) if d else np.ones(resamples) for d in kinds]
    return np.stack(columns, 1)[:, which]


def _accuracies(points: Mapping[str, np.ndarray]) -> np.ndarray:
    """Accuracy of each (seed, class) pair, (points, seeds, classes); NaN where nothing was measured."""
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
    measured = ~np.isnan(hits)
    if hits.ndim == 3:
        count = measured.sum(2)
        total = np.where(measured, hits, 0.0).sum(2)
        hits = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        measured = count > 0
    empty = np.flatnonzero(~measured.any(0))
    if len(empty):
        raise InputError(f"point {name!r} has no image of class {empty[0]}; attack it, or leave it out everywhere")
    if len(hits) > 1 and measured.any(1).sum() == 1:
        raise InputError(f"point {name!r} has one seed left of {len(hits)}; train another, or leave the point out")
    return hits
