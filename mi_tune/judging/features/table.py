"""All measures for all pairs of groups: per class, and averaged over classes."""

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
NEARER_TO_ERASED = "nearer to erased"
"""Energy distance of reconstructions to private images minus that to erased ones. Above 0: nearer to erased."""
WAY_TO_ERASED = "way to erased"
"""Position of reconstructions on the line from private images (0) to erased images (1)."""
MEASURES = ("energy", "mmd", "separability", "neighbours", "cosine")
WITH_P_VALUE = ("energy", "mmd", "neighbours")
"""The measures that have a p-value."""


@dataclass(frozen=True)
class FeatureTable:
    """The measures of every class.

    rows: one row per encoder, class and pair of groups. Columns: `encoder`, `class`, `pair`; `rows_first`,
    `rows_second`, the sizes of both samples; the measures (`MEASURES`); `energy_p`, `mmd_p`, `neighbours_p`;
    `neighbours_expected`, the neighbour share for equal distributions; `reason`, what is missing (NaN) and why.
    """

    rows: pd.DataFrame

    def difference(self, encoder: str) -> pd.Series:
        """Energy distance to private minus that to erased images, per class (index). Above 0: nearer to erased."""
        of_encoder = self.rows[self.rows.encoder == encoder].set_index("class")
        to_private, to_erased = (of_encoder[of_encoder.pair == pair].energy for pair in PAIRS[:2])
        return to_private - to_erased

    def nearer_to_erased(self, encoder: str) -> Estimate:
        """Mean of `difference` over classes with a class-level 95 % interval.

        Reconstructions are significantly nearer to erased images if the low end is above 0, and significantly nearer to
        the private images if the high end is below 0.
        """
        return _estimate(self.difference(encoder).to_numpy())

    def way_to_erased(self, encoder: str) -> Estimate:
        """Position of reconstructions on the line from private (0) to erased images (1), with a 95 % interval.

        Energy distances are squared distances between points of a Hilbert space, one per distribution (Sejdinovic et
        al. 2013). The three of them give the orthogonal projection of the reconstructions onto the line through private
        and erased images: 1/2 + (to private - to erased) / (2 * erased to private). At 1/2 both are equally near.
        Unlike `difference`, it does not shrink for a target that, after training with erasing, hardly distinguishes
        erased images from private ones. The denominator of a single class can be near 0, so this is a ratio of means
        over classes, with a class-level percentile bootstrap. NaN if erased and private images are not themselves
        significantly apart.
        """
        between = self.rows[(self.rows.encoder == encoder) & (self.rows.pair == PAIRS[2])].set_index("class").energy
        both = pd.DataFrame({"difference": self.difference(encoder), "between": between}).dropna()
        if not _estimate(both.between.to_numpy()).low > 0:
            return Estimate(math.nan, math.nan, math.nan)

        def position(difference: np.ndarray, between: np.ndarray, axis: int = -1) -> np.ndarray:
            return 0.5 + 0.5 * difference.mean(axis) / between.mean(axis)

        sample = (both.difference.to_numpy(), both.between.to_numpy())
        rng = np.random.default_rng(derive_seed(0, "bootstrap"))
        found = stats.bootstrap(
            sample, position, paired=True, vectorized=True, n_resamples=2000, method="percentile", rng=rng
        )
        return Estimate(float(position(*sample)), *(float(end) for end in found.confidence_interval))

    def summary(self) -> pd.DataFrame:
        """Averages over classes, one row per encoder, pair and measure.

        The pairs `NEARER_TO_ERASED` and `WAY_TO_ERASED` hold the main results. Columns: `encoder`, `pair`, `measure`;
        `value`, `low`, `high`: mean over classes with its 95 % interval; `expected`: the value for equal distributions;
        `classes`: number of classes with a value; `p_value`: the classes' p-values combined by Fisher's method;
        `tested_classes`: number of classes with a p-value; `share_below`: share of those with a p-value below 5 %; for
        equal distributions at most about 5 %.
        """
        found = []
        for (encoder, pair), rows in self.rows.groupby(["encoder", "pair"], sort=False):
            for measure in MEASURES:
                p_values = rows[f"{measure}_p"].dropna().to_numpy() if measure in WITH_P_VALUE else np.empty(0)
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
            columns = _columns(encoder, NEARER_TO_ERASED, "energy", self.difference(encoder).to_numpy())
            missing = {"p_value": math.nan, "share_below": math.nan, "tested_classes": 0}
            found.append({**columns, "expected": 0.0, **missing})
            position = self.way_to_erased(encoder)._asdict()
            found.append({**columns, "pair": WAY_TO_ERASED, **position, "expected": math.nan, **missing})
        return pd.DataFrame(found)


def feature_table(
    encoders: Mapping[str, FeatureGroups], seed: int, permutations: int = 999, neighbours: int = 3
) -> FeatureTable:
    """Compare the private images, erased views and reconstructions of every class, in every encoder's features.

    The erased group holds several views of each image, and views of one image are not independent. So each draw of the
    law, with one view per image, is compared separately. Values are means over draws; the p-value is that of the first
    draw. The distances to private and to erased images then rest on equally many rows, and both tests have the same
    power. Erased and private images are paired (see `TwoSamples`).

    Reconstructions of one class often resemble each other more than photographs do. So a small p-value is expected even
    without defence: it says that they are not distributed as private images are, not that they show another person. The
    evidence for the mechanism is which of the two distances is smaller (`nearer_to_erased`), and by how much of the
    distance between private and erased images (`way_to_erased`).

    Args:
        encoders: features by encoder name, such as those of the target and of a network trained on other people or
            without erasing. Beware that the attack has optimised the target's own features.
        seed: of the random regroupings.
        permutations: number of regroupings per p-value. neighbours: see `neighbour_share`.

    Raises:
        InputError: no encoder, or fewer than 19 permutations, with which no p-value could reach 5 %.
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
    """Cosine similarity of the samples' means, in [-1, 1]. Sampling noise alone keeps it below 1."""
    first, second = (samples.rows[part].mean(0) for part in (samples.grouping, ~samples.grouping))
    length = np.linalg.norm(first) * np.linalg.norm(second)
    if not min(samples.sizes) or length == 0:
        return Measure(math.nan, math.nan, 1.0, "a sample's mean is at the origin")
    return Measure(float(first @ second / length), math.nan, 1.0)


def _samples(pair: str, private: np.ndarray, erased: np.ndarray, reconstruction: np.ndarray) -> list[TwoSamples]:
    """The two samples of a pair of groups, one entry per draw; a single one for the pair without erased images."""
    if pair == PAIRS[0]:
        return [TwoSamples(reconstruction, private)]
    if pair == PAIRS[1]:
        return [TwoSamples(reconstruction, view) for view in erased]
    return [TwoSamples(view, private, paired=True) for view in erased]


def _over_draws(
    draws: Sequence[TwoSamples], permutations: int, neighbours: int, rng: np.random.Generator
) -> dict[str, Measure]:
    """The first draw's measures, with each value replaced by the mean over draws."""
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
        **{f"{name}_p": measures[name].p_value for name in WITH_P_VALUE},
        "neighbours_expected": measures["neighbours"].expected,
        "reason": "; ".join(reasons),
    }


def _columns(encoder: str, pair: str, measure: str, per_class: np.ndarray) -> dict[str, object]:
    estimate = _estimate(per_class)
    known = int(np.isfinite(per_class).sum())
    return {"encoder": encoder, "pair": pair, "measure": measure, **estimate._asdict(), "classes": known}


def _estimate(per_class: np.ndarray) -> Estimate:
    """Mean of the finite values (classes,) and its 95 % interval, NaN for one class; for none the mean is NaN too."""
    known = per_class[np.isfinite(per_class)]
    if len(known) < 2:
        return Estimate(float(known[0]) if len(known) else math.nan, math.nan, math.nan)
    return class_mean(known)
