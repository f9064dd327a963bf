"""A study as one Optuna study, for Optuna's plots and optuna-dashboard."""

from __future__ import annotations

import math
import warnings
from typing import Any

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState, create_trial

from mi_tune.defences.columns import treatment_columns
from mi_tune.erasing import NO_DEFENCE
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.imported import one_line
from mi_tune.search.state import State

OBJECTIVES = ("natural_accuracy", "attack_accuracy")
PARAMETERS = tuple(treatment_columns(NO_DEFENCE.to_dict()))
"""The columns of a law and of other defences in the table of trials."""
CONSTRAINT = "natural_accuracy_floor"
STATES = {
    State.COMPLETE: TrialState.COMPLETE,
    State.INFEASIBLE: TrialState.COMPLETE,
    State.STOPPED: TrialState.PRUNED,
    State.FAILED: TrialState.FAIL,
}
"""A trial that is still running is left out."""


def optuna_study(runs: pd.DataFrame, name: str, storage: str | None = None) -> optuna.Study:
    """One Optuna study of the rows of the table of trials, reference points among them.

    An infeasible trial violates the constraint; its attack accuracy was not measured, and 1 stands for it. All other
    columns are user attributes.

    Args:
        runs: the table, one row a trial. name: of the study. storage: URL, or None for memory.

    Raises:
        InputError: the storage cannot be used, or holds a study of this name.
    """
    previous = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        made = optuna.create_study(storage=storage, study_name=name, directions=["maximize", "minimize"])
    except optuna.exceptions.DuplicatedStudyError as error:
        raise InputError(f"{storage}: already holds a study '{name}'; choose another storage") from error
    except Exception as error:  # a storage can raise any error of its database
        raise InputError(f"{storage}: cannot be used as an Optuna storage ({one_line(error)})") from error
    finally:
        optuna.logging.set_verbosity(previous)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        made.set_metric_names(list(OBJECTIVES))
    ended = runs[runs.state.isin(list(STATES))]
    # a study of erasing alone has no parameter for other defences
    searched = [column for column in PARAMETERS if column != "defences" or (ended[column] != "").any()]
    distributions = {column: _distribution(ended[column]) for column in searched} if len(ended) else {}
    made.add_trials([_trial(row, distributions) for _, row in ended.iterrows()])
    return made


def _distribution(values: pd.Series) -> BaseDistribution:
    """The range of a parameter over the study; its search space can be narrower than the reference points."""
    if not pd.api.types.is_numeric_dtype(values):
        return CategoricalDistribution(sorted(values.astype(str).unique()))
    if pd.api.types.is_integer_dtype(values):
        return IntDistribution(int(values.min()), int(values.max()))
    return FloatDistribution(float(values.min()), float(values.max()))


def _trial(row: pd.Series, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    state = STATES[row.state]
    natural, attack = (float(row[column]) for column in OBJECTIVES)
    if state == TrialState.COMPLETE and math.isnan(natural):
        state = TrialState.FAIL
    others = {key: _plain(value) for key, value in row.items() if key not in PARAMETERS and not pd.isna(value)}
    floor = 0.0 if pd.isna(row.floor) else float(row.floor)
    return create_trial(
        state=state,
        values=[natural, 1.0 if math.isnan(attack) else attack] if state == TrialState.COMPLETE else None,
        params={column: _plain(row[column]) for column in distributions},
        distributions=distributions,
        user_attrs={str(key): value for key, value in others.items()},
        constraints={CONSTRAINT: floor - natural} if state == TrialState.COMPLETE else None,
    )


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
