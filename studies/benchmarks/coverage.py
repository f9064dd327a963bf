"""How often do 95 % intervals hold the truth?

`python studies/benchmarks/coverage.py [--classes 30] [--seeds 3] [--naive]`

Hits are simulated (analysis/statistics/simulated_hits.py): 8 reconstructions a person and seed, whose log-odds move
with the person, the seed and the meeting of both. Each row is one world; printed are the share of replications whose
interval holds the true accuracy of a point and the true difference between two points, and the mean half-width. With
1000 replications a share of 95 % is known to 1.4 points. `--naive` adds the percentile bootstrap that resamples
seeds, then people, then images.
"""

from __future__ import annotations

import click
import numpy as np

from analysis.statistics.resampling import percentile_estimate, resample
from analysis.statistics.simulated_hits import CrossedDesign
from mi_tune.runtime.seeds import derive_seed

RATES = ((0.02, 0.05), (0.1, 0.1), (0.5, 0.4), (0.9, 0.85))
WORLDS = {
    # seed_sd, class_sd, own_class_sd
    "people alike": (0.2, 0.5, 0.3),
    "calm seeds": (0.1, 2.0, 0.5),
    "usual": (0.2, 2.0, 0.5),
    "rough seeds": (0.4, 2.0, 0.5),
    "laws act on people alike": (0.2, 2.0, 0.0),
    "seeds do nothing": (0.0, 2.0, 0.0),
    "seeds as large as people": (1.0, 1.0, 0.5),
}


def naive(hits: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Percentile bootstrap of seeds, people and images of (points, seeds, classes, images): (resamples, points)."""
    _, seeds, classes, images = hits.shape
    by_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), resamples) / seeds
    by_class = rng.multinomial(classes, np.full(classes, 1 / classes), resamples) / classes
    columns = []
    for rate in hits.mean(3):
        redrawn = rng.binomial(images, rate, (resamples, seeds, classes)) / images
        columns.append(np.einsum("rs,rc,rsc->r", by_seed, by_class, redrawn))
    return np.stack(columns, 1)


def coverage(layout: CrossedDesign, replications: int, resamples: int, with_naive: bool = False) -> np.ndarray:
    """(methods, 4): coverage of the first point and of the first minus the second, then their mean half-widths."""
    single, apart = layout.rates[0], layout.rates[0] - layout.rates[1]
    rows = []
    for replication in range(replications):
        rng = np.random.default_rng(derive_seed(replication, "coverage"))
        hits = layout.hits(rng)
        drawn = resample({str(k): point for k, point in enumerate(hits)}, resamples, replication)
        found = [(drawn.estimate("0"), drawn.difference("0", "1"))]
        if with_naive:
            plain = naive(hits, resamples, rng)
            mean = hits.mean((1, 2, 3))
            found.append(
                (
                    percentile_estimate(mean[0], plain[:, 0]),
                    percentile_estimate(mean[0] - mean[1], plain[:, 0] - plain[:, 1]),
                )
            )
        rows.append(
            [
                [one.low <= single <= one.high, two.low <= apart <= two.high, one.high - one.low, two.high - two.low]
                for one, two in found
            ]
        )
    return np.mean(rows, 0) * [1, 1, 0.5, 0.5]


@click.command()
@click.option("--classes", default=(30, 50, 100), multiple=True, show_default=True, help="People; may be repeated.")
@click.option("--seeds", default=(3, 5), multiple=True, show_default=True, help="Trainings; may be repeated.")
@click.option("--replications", default=1000, show_default=True)
@click.option("--resamples", default=1000, show_default=True)
@click.option("--naive", "with_naive", is_flag=True, help="Beside the naive percentile bootstrap.")
def main(classes: tuple[int, ...], seeds: tuple[int, ...], replications: int, resamples: int, with_naive: bool) -> None:
    """Print coverage over the grid."""
    cases = [
        (world, CrossedDesign(rates, s, c, 8, seed_sd, class_sd, own_class_sd))
        for c in classes
        for s in seeds
        for world, (seed_sd, class_sd, own_class_sd) in WORLDS.items()
        for rates in RATES
    ]
    row = "{:>6} {:>5}  {:24}  {:>11}  {:>11}  {:>11}  {}"
    click.echo(row.format("people", "seeds", "world", "true rates", "single", "difference", "half-widths"))
    for world, layout in cases:
        found = coverage(layout, replications, resamples, with_naive)
        shares = [" / ".join(f"{100 * share:.1f}" for share in found[:, k]) for k in (0, 1)]
        widths = " / ".join(f"{one:.3f} {two:.3f}" for one, two in found[:, 2:])
        rates = " - ".join(map(str, layout.rates))
        click.echo(row.format(layout.classes, layout.seeds, world, rates, *shares, widths))


if __name__ == "__main__":
    main()
