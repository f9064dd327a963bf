"""All measures for all pairs of groups, class by class, and over classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from mi_tune.judging.features.groups import FeatureGroups
from mi_tune.judging.features.kernels import energy_distance, squared_mmd
from mi_tune.judging.features.neighbours import neighbour_share
from mi_tune.judging.features.separability import separability
from mi_tune.judging.features.two_samples import Measure, TwoSamples
from mi_tune.judging.intervals import Estimate, class_mean
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed

PAIRS = ("reconstruction, private", "reconstruction, erased", "erased, private")
DIFFERENCE = "nearer to erased"
"""The energy distance of reconstructions to private images minus that to erased ones: above 0, nearer to erased."""
WAY = "way to erased"
"""Where reconstructions lie on the way from private images, 0, to erased ones, 1."""
MEASURES = ("energy", "mmd", "separability", "neighbours", "cosine")
TESTED = ("energy", "mmd", "neighbours")
"""Measures with a p-value."""


@dataclass(frozen=True)
class FeatureTable:
    """Measures of every class.

    rows: one for each encoder, class and pair. Columns `encoder`, `class`, `pair`, `rows_first`, `rows_second`; the
    measures (`MEASURES`); `energy_p`, `mmd_p`, `neighbours_p`; `neighbours_expected`, the share for equal
    distributions; `reason`, what is missing (NaN) and why.
    """

    rows: pd.DataFrame

    def difference(self, encoder: str) -> pd.Series:
        """Of every class (index): energy distance to private minus that to erased images. Above 0: nearer to erased."""
        of_encoder = self.rows[self.rows.encoder == encoder].set_index("class")
        to_private, to_erased = (of_encoder[of_encoder.pair == pair].energy for pair in PAIRS[:2])
        return to_private - to_erased

    def nearer_to_erased(self, encoder: str) -> Estimate:
        """Which of the two is nearer: mean of `difference` over classes with its class-level 95 % interval.

        Beyond doubt nearer to erased images if the low end is above 0, to whole ones if the high end is below.
        """
        return _estimate(self.difference(encoder).to_numpy())

    def way_to_erased(self, encoder: str) -> Estimate:
        """How much of the way from private (0) to erased images (1) reconstructions have gone, with a 95 % interval.

        Energy distances are squared distances between points of a Hilbert space, one for each distribution (Sejdinovic
        et al. 2013). Three of them say where the foot of the perpendicular from the third point falls on the line
        through the other two: at 1/2 + (to private - to erased) / (2 erased to private). At 1/2 both are as near.
        Unlike the difference it does not shrink when a target trained with erasing hardly tells erased images from
        whole ones. A class's own denominator can be near 0, so it is a ratio of means over classes, and classes are
        resampled. NaN where erased and private images themselves are not apart beyond doubt.
        """
        between = self.rows[(self.rows.encoder == encoder) & (self.rows.pair == PAIRS[2])].set_index("class").energy
        both = pd.DataFrame({"difference": self.difference(encoder), "between": between}).dropna()
        if not _estimate(both.between.to_numpy()).low > 0:
            return Estimate(math.nan, math.nan, math.nan)

        def way(difference: np.ndarray, between: np.ndarray, axis: int = -1) -> np.ndarray:
            return 0.5 + 0.5 * difference.mean(axis) / between.mean(axis)

        sample = (both.difference.to_numpy(), both.between.to_numpy())
        rng = np.random.default_rng(derive_seed(0, "bootstrap"))
        found = stats.bootstrap(
            sample, way, paired=True, vectorized=True, n_resamples=2000, method="percentile", rng=rng
        )
        return Estimate(float(way(*sample)), *(float(end) for end in found.confidence_interval))

    def summary(self) -> pd.DataFrame:
        """Over classes, one row for each encoder, pair and measure; the pairs `DIFFERENCE` and `WAY` have the headline.

        Columns `encoder`, `pair`, `measure`; `value`, `low`, `high`: mean over classes with its 95 % interval;
        `expected`: the value for equal distributions; `classes`: how many have a value; `p_value`: the classes'
        p-values combined by Fisher's method; `share_below`: share of the classes with a p-value whose own is below 5 %,
        at most about 5 % for equal distributions; `tested_classes`: how many have one.
        """
        found = []
        for (encoder, pair), rows in self.rows.groupby(["encoder", "pair"], sort=False):
            for measure in MEASURES:
                p_values = rows[f"{measure}_p"].dropna().to_numpy() if measure in TESTED else np.empty(0)
                expected = {"separability": 0.5, "neighbours": rows.neighbours_expected.mean(), "cosine": 1.0}
                found.append(
                    {
                        **_columns(encoder, pair, measure, rows[measure].to_numpy()),
                        "expected": expected.get(measure, 0.0),
                        "p_value": float(stats.combine_pvalues(p_values).pvalue) if len(p_values) else math.nan,
                        "share_below": float((p_values < 0.05).mean()) if len(p_values) else math.nan,
                        "tested_classes": len(p_values),
                    }
                )
        for encoder in self.rows.encoder.unique():
            columns = _columns(encoder, DIFFERENCE, "energy", self.difference(encoder).to_numpy())
            missing = {"p_value": math.nan, "share_below": math.nan, "tested_classes": 0}
            found.append({**columns, "expected": 0.0, **missing})
            way = self.way_to_erased(encoder)._asdict()
            found.append({**columns, "pair": WAY, **way, "expected": math.nan, **missing})
        return pd.DataFrame(found)


def feature_table(
    encoders: Mapping[str, FeatureGroups], seed: int, permutations: int = 999, neighbours: int = 3
) -> FeatureTable:
    """Compare reconstructions, private and erased private images of every class in the features of every encoder.

    An erased group has several views of each image, and views of one image are not independent. So each draw of
    the law, with one view of each image, is compared by itself: the values are means over draws, and the p-value is the
    first draw's. Distances to private and to erased images thus rest on as many rows, and neither has the easier test.
    Erased and private images are paired (see `TwoSamples`).

    Reconstructions of one class often resemble each other more than any photographs do. A small p-value then says that
    they are not distributed as private images are, not that they show somebody else; even without defence it is to be
    expected. What tells the mechanism is which of the two distances is smaller (`nearer_to_erased`), and by how much of
    what there is between private and erased images (`way_to_erased`).

    Args:
        encoders: features by name, such as the target's and those of a network trained on other people or without
            erasing. A target's own features are what the attack has optimised.
        permutations: regroupings for each p-value. neighbours: of `neighbour_share`.

    Raises:
        InputError: no encoder, or fewer than 19 permutations (no p-value could fall below 5 %).
    """
    if not encoders:
        raise InputError("features: no encoder; give the target's features at least")
    if permutations < 19:
        raise InputError(f"features: {permutations} permutations cannot give a p-value of 5 %; give 19 or more")
    found = []
    for encoder, groups in encoders.items():
        for position, label in enumerate(groups.classes):
            private, erased, reconstruction = groups.of_class(position)
            for pair in PAIRS:
                rng = np.random.default_rng(derive_seed(seed, "regroupings", encoder, int(label), pair))
                samples = _samples(pair, private, erased, reconstruction)
                measures = _over_draws(samples, permutations, neighbours, rng)
                sizes = dict(zip(("rows_first", "rows_second"), samples[0].sizes, strict=True))
                found.append({"encoder": encoder, "class": int(label), "pair": pair, **sizes, **_row(measures)})
    return FeatureTable(pd.DataFrame(found))


def mean_cosine(samples: TwoSamples) -> Measure:
    """Cosine of the angle at the origin between the samples' means, in [-1, 1]; noise alone keeps it below 1."""
    first, second = (samples.rows[part].mean(0) for part in (samples.grouping, ~samples.grouping))
    length = np.linalg.norm(first) * np.linalg.norm(second)
    if not min(samples.sizes) or length == 0:
        return Measure(math.nan, math.nan, 1.0, "a sample's mean is at the origin")
    return Measure(float(first @ second / length), math.nan, 1.0)


def _samples(pair: str, private: np.ndarray, erased: np.ndarray, reconstruction: np.ndarray) -> list[TwoSamples]:
    """One for each draw; a single one where nothing is drawn."""
    if pair == PAIRS[0]:
        return [TwoSamples(reconstruction, private)]
    if pair == PAIRS[1]:
        return [TwoSamples(reconstruction, view) for view in erased]
    return [TwoSamples(view, private, paired=True) for view in erased]


def _over_draws(
    draws: Sequence[TwoSamples], permutations: int, neighbours: int, rng: np.random.Generator
) -> dict[str, Measure]:
    """Every measure of the first draw, its value the mean over draws."""
    found: list[dict[str, Measure]] = []
    for samples in draws:
        regroupings = None if found else samples.regroupings(permutations, rng)
        found.append(
            {
                "energy": energy_distance(samples, regroupings),
                "mmd": squared_mmd(samples, regroupings),
                "separability": separability(samples),
                "neighbours": neighbour_share(samples, regroupings, neighbours),
                "cosine": mean_cosine(samples),
            }
        )
    return {
        name: measure._replace(value=float(np.mean([one[name].value for one in found])))
        for name, measure in found[0].items()
    }


def _row(measures: dict[str, Measure]) -> dict[str, object]:
    reasons = [f"{name}: {measure.reason}" for name, measure in measures.items() if measure.reason]
    return {
        **{name: measure.value for name, measure in measures.items()},
        **{f"{name}_p": measures[name].p_value for name in TESTED},
        "neighbours_expected": measures["neighbours"].expected,
        "reason": "; ".join(reasons),
    }


def _columns(encoder: str, pair: str, measure: str, per_class: np.ndarray) -> dict[str, object]:
    estimate = _estimate(per_class)
    known = int(np.isfinite(per_class).sum())
    return {"encoder": encoder, "pair": pair, "measure": measure, **estimate._asdict(), "classes": known}


def _estimate(per_class: np.ndarray) -> Estimate:
    """Mean over the classes that have a value; without ends for one class, NaN for none."""
    known = per_class[np.isfinite(per_class)]
    if len(known) < 2:
        return Estimate(float(known[0]) if len(known) else math.nan, math.nan, math.nan)
    return class_mean(known)
