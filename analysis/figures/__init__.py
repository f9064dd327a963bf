"""Figures of the reports. Each takes two steps: `..._info` takes the numbers from a study, `plot_...` draws them."""

from analysis.figures.attacks import attacks_info, plot_attacks
from analysis.figures.contrasts import plot_contrasts
from analysis.figures.feature_view import feature_view_info, measures_info, plot_feature_view, plot_measures
from analysis.figures.found import plot_found
from analysis.figures.front import front_info, plot_front
from analysis.figures.fronts import plot_fronts
from analysis.figures.importance import plot_importance
from analysis.figures.ladder import ladder_info, plot_ladder
from analysis.figures.maps import maps_info, plot_maps
from analysis.figures.of_study import FIGURES, IMPORTANCE, study_figure
from analysis.figures.parameters import parameters_info, plot_parameters
from analysis.figures.progress import plot_progress, progress_info
from analysis.figures.robust_front import plot_robust_front, robust_front_info
from analysis.figures.searches import plot_searches, searches_info
from analysis.figures.training import plot_training, training_info

__all__ = [
    "FIGURES",
    "IMPORTANCE",
    "attacks_info",
    "feature_view_info",
    "front_info",
    "ladder_info",
    "maps_info",
    "measures_info",
    "parameters_info",
    "plot_attacks",
    "plot_contrasts",
    "plot_feature_view",
    "plot_found",
    "plot_front",
    "plot_fronts",
    "plot_importance",
    "plot_ladder",
    "plot_maps",
    "plot_measures",
    "plot_parameters",
    "plot_progress",
    "plot_robust_front",
    "plot_searches",
    "plot_training",
    "progress_info",
    "robust_front_info",
    "searches_info",
    "study_figure",
    "training_info",
]
