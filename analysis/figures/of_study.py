"""The figures of a study by name."""

from __future__ import annotations

from collections.abc import Callable

import plotly.graph_objects as go

from analysis.figures.front import front_info, plot_front
from analysis.figures.importance import plot_importance
from analysis.figures.maps import maps_info, plot_maps
from analysis.figures.parameters import parameters_info, plot_parameters
from analysis.figures.progress import plot_progress, progress_info
from analysis.figures.training import plot_training, training_info
from analysis.statistics.importance import QUESTIONS, Unanswered, importances
from analysis.statistics.records import Study
from mi_tune.runtime.errors import InputError
from mi_tune.runtime.wording import did_you_mean

FIGURES: dict[str, Callable[[Study], go.Figure]] = {
    "front": lambda study: plot_front(front_info(study)),
    "progress": lambda study: plot_progress(progress_info(study)),
    "training": lambda study: plot_training(training_info(study)),
    "parameters": lambda study: plot_parameters(parameters_info(study)),
    "maps": lambda study: plot_maps(maps_info(study)),
}
"""Figures that every study with a complete law has, in the order of the report."""
IMPORTANCE = "importance-"
"""Names of the figures of importance begin with it, and end with one of `QUESTIONS`."""


def study_figure(study: Study, name: str) -> go.Figure:
    """The figure of this name.

    Raises:
        InputError: an unknown name, no complete law yet, or too few laws for the question of importance.
    """
    known = [*FIGURES, *(IMPORTANCE + question for question in QUESTIONS)]
    if name not in known:
        raise InputError(f"unknown figure '{name}'; {did_you_mean(name, known, otherwise=known)}")
    if not len(study.complete):
        raise InputError(f"{study.folder}: no law has been trained and attacked yet, so there is nothing to draw")
    if name in FIGURES:
        return FIGURES[name](study)
    (answer,) = (a for a in importances(study) if a.question == name.removeprefix(IMPORTANCE))
    if isinstance(answer, Unanswered):
        raise InputError(f"{study.folder}: no figure {name}: {answer.why}")
    return plot_importance(answer)
