"""What all trials together say of a law: accuracies that a lucky run moves less than its own measurement."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mi_tune.erasing.columns import law_of
from mi_tune.search.front_model import FrontModel, Observations
from mi_tune.search.geometry import Geometry
from mi_tune.search.space import distributions, params_of
from mi_tune.setup import Space

LEAST_TRIALS = 12
"""Measured trials in the space below which a model is not asked."""


def expected(runs: pd.DataFrame, laws: pd.DataFrame, space: Space) -> pd.DataFrame:
    """Both accuracies of complete laws, as the model of the search expects them.

    The best of many noisy measurements is partly the luckiest. `FrontModel` takes noise for what it is; what it says of
    a law is drawn towards what laws like it had. Laws that the space does not hold keep what was measured, and so do
    all where fewer than LEAST_TRIALS were measured.

    Args:
        runs: the table of trials. laws: complete ones of `laws_of(runs)`.

    Returns:
        `natural_accuracy`, `attack_accuracy`, and `modelled`, whether the model said so; the index of `laws`.
    """
    found = laws[["natural_accuracy", "attack_accuracy"]].astype(float).assign(modelled=False)
    if not distributions(space):
        return found
    geometry = Geometry(distributions(space))
    rows = []
    for _, run in runs[runs.state.isin(["complete", "infeasible"])].iterrows():
        if (params := params_of(space, law_of(run))) is not None:
            attack = run.attack_accuracy if run.state == "complete" else np.nan
            rows.append({"params": params, "natural": run.natural_accuracy, "attack": attack})
    observed = Observations.of(geometry, rows) if rows else None
    if observed is None or np.isfinite(observed.attack).sum() < LEAST_TRIALS:
        return found
    model = FrontModel(geometry).update(observed)
    points = [params_of(space, law_of(row)) for _, row in laws.iterrows()]
    inside = np.array([point is not None for point in points])
    if inside.any():
        natural, attack = model.expected(geometry.units([point for point in points if point is not None]))
        found.loc[inside, ["natural_accuracy", "attack_accuracy"]] = np.column_stack([natural, attack])
        found.loc[inside, "modelled"] = True
    return found
