"""The front model's estimate of tried laws, which one lucky run moves less than it moves the measured mean."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mi_tune.search.front_model import FrontModel
from mi_tune.search.geometry import Geometry
from mi_tune.search.observations import Observations
from mi_tune.search.space import distributions, point_of
from mi_tune.search.state import State
from mi_tune.setup import Space

MIN_TRIALS_FOR_MODEL = 12
"""With fewer measured trials in the space, the measured accuracies are kept and no model is fitted."""


def observed_in(runs: pd.DataFrame, space: Space, geometry: Geometry) -> Observations:
    """What a table of trials holds for the front model: every measured trial whose law lies in the space.

    The attack accuracy of an infeasible trial is left out, because not every infeasible trial has one.
    """
    trials = []
    for _, run in runs[runs.state.isin(State.measured())].iterrows():
        if (params := point_of(space, run)) is not None:
            trials.append((params, run))
    return Observations.of_trials(geometry, trials, attack_below_floor=False)


def expected(runs: pd.DataFrame, laws: pd.DataFrame, space: Space) -> pd.DataFrame:
    """Both accuracies of complete laws, as the posterior mean of `FrontModel`.

    The best of many noisy measurements is partly the luckiest one (the winner's curse). The model knows how noisy a
    measurement is and shrinks it towards those of similar laws. Laws outside the space keep their measured
    accuracies, and so do all laws if fewer than MIN_TRIALS_FOR_MODEL trials were measured.

    Args:
        runs: the table of trials. laws: the complete rows of `laws_of(runs)`.

    Returns:
        A frame with the index of `laws`: `natural_accuracy`, `attack_accuracy`, and `modelled`, which is True where
        they are the model's.
    """
    found = laws[["natural_accuracy", "attack_accuracy"]].astype(float).assign(modelled=False)
    if not distributions(space):
        return found
    geometry = Geometry(distributions(space))
    observed = observed_in(runs, space, geometry)
    if np.isfinite(observed.attack).sum() < MIN_TRIALS_FOR_MODEL:
        return found
    model = FrontModel(geometry).update(observed)
    points = [point_of(space, row) for _, row in laws.iterrows()]
    inside = np.array([point is not None for point in points])
    if inside.any():
        natural, attack = model.expected(geometry.units([point for point in points if point is not None]))
        found.loc[inside, ["natural_accuracy", "attack_accuracy"]] = np.column_stack([natural, attack])
        found.loc[inside, "modelled"] = True
    return found
