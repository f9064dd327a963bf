"""Where reconstructions lie in feature space: nearer to the private images, or to the erased private images?

MIDRE's Figure 2 claims by convex hulls in a plane that an undefended target's reconstructions lie on its private
images' features, and those of a target trained with Random Erasing on its erased images'. Hulls are made by extreme
points and grow with their number; here the same groups are compared by distances between samples, with p-values and
intervals.
"""

from mi_tune.judging.features.groups import FeatureGroups, feature_groups
from mi_tune.judging.features.kernels import energy_distance, squared_mmd
from mi_tune.judging.features.neighbours import neighbour_share
from mi_tune.judging.features.penultimate import penultimate
from mi_tune.judging.features.separability import separability
from mi_tune.judging.features.table import DIFFERENCE, MEASURES, PAIRS, WAY, FeatureTable, feature_table
from mi_tune.judging.features.two_samples import Measure, TwoSamples, permutation_p
from mi_tune.judging.features.view import FeatureView, feature_view

__all__ = [
    "DIFFERENCE",
    "MEASURES",
    "PAIRS",
    "WAY",
    "FeatureGroups",
    "FeatureTable",
    "FeatureView",
    "Measure",
    "TwoSamples",
    "energy_distance",
    "feature_groups",
    "feature_table",
    "feature_view",
    "neighbour_share",
    "penultimate",
    "permutation_p",
    "separability",
    "squared_mmd",
]
