"""Separability: how well a linear probe tells two samples apart on held-out rows."""

from __future__ import annotations

import math

import numpy as np

from mi_tune.judging.features.two_samples import Measure, TwoSamples


def separability(samples: TwoSamples) -> Measure:
    """AUC of a ridge probe, in [0, 1]: at 0.5 the samples cannot be told apart, at 1 a plane separates them.

    Leave-pair-out cross-validation (Airola et al. 2011): for every pair of one row of each sample, the probe is fitted
    on all other rows and must rank the pair. With small samples this AUC is unbiased, while one pooled over folds falls
    below 0.5. If the samples are paired, the partners of both rows are left out as well. The ridge penalty is the mean
    squared distance of a row from the mean. All fits follow in closed form from one: the leave-out residuals of rows S
    are (I - H_SS)^-1 (y - H y)_S, with H the hat matrix.

    Needs three rows of each sample, or four pairs, so that two rows of each are left to fit the probe.
    """
    if reason := samples.too_small(4 if samples.paired else 3):
        return Measure(math.nan, math.nan, 0.5, reason)
    centred = samples.rows - samples.rows.mean(0)
    gram = centred @ centred.T
    total, n = len(gram), samples.sizes[0]
    penalty = np.trace(gram) / total
    if penalty == 0:
        return Measure(0.5, math.nan, 0.5)
    hat = np.linalg.solve(gram + penalty * np.eye(total), gram) + 1 / total
    target = np.where(samples.grouping, -1.0, 1.0)
    residual = target - hat @ target
    first, second = np.nonzero(samples.comparable[:n, n:])
    left_out = np.stack([first, second + n], 1)
    if samples.paired:
        left_out = np.concatenate([left_out, np.stack([first + n, second], 1)], 1)
    blocks = (np.eye(total) - hat)[left_out[:, :, None], left_out[:, None, :]]
    score = target[left_out] - np.linalg.solve(blocks, residual[left_out][..., None])[..., 0]
    margin = score[:, 1] - score[:, 0]
    ranked = np.where(np.abs(margin) < 1e-10, 0.5, margin > 0)
    return Measure(float(ranked.mean()), math.nan, 0.5)
